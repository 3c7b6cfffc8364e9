"""Metrics of a run to TensorBoard, Weights & Biases and Trackio."""
