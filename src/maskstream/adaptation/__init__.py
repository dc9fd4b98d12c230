"""Adaptation to a clip: a copy of the network is fine-tuned on what the user has marked in it."""
