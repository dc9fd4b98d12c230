"""The core that everything runs on: objects, what is remembered of them, one frame after the other."""
