"""The parts of a counterfactual replay."""
