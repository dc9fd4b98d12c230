"""Scores: J and F, development runs, baselines."""
