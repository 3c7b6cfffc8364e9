"""An open-ended self-play curriculum engine for post-training language models."""

__version__ = "0.1.0"
