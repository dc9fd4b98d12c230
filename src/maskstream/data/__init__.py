"""Data sets: their layouts, their files as items, the items as tensors, and clips made of these."""
