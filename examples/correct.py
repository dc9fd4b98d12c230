"""Correct a mask in a later frame, and follow backwards too: correct.py clip.mp4 first.png 120=fixed.png."""

import sys

import maskstream

video, first, correction = sys.argv[1:]
frame, _, fixed = correction.partition("=")
result = maskstream.segment_video(
    video, "masks", masks={0: first, int(frame): fixed}, backward=True, overlay="look.mp4", overwrite=True
)
print(f"{result.frames} frames; look at look.mp4")
