"""Data sets of images and videos with masks, read without torch."""
