"""Experiments: the same training with one thing changed."""
