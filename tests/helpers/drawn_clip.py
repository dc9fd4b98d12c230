"""The clip that the commands are tried on."""

FRAMES, HEIGHT, WIDTH = 8, 64, 96
