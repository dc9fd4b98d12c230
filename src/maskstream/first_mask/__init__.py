"""The first mask of a video: found without a prompt, or made from a hint."""
