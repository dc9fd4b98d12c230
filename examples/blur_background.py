"""Blur everything but the subject, which is detected automatically: blur_background.py talk.mp4 [out.mp4]."""

import sys

import maskstream


def show(progress: maskstream.Progress) -> None:
    """One line that is written over and over."""
    print(f"\r{progress.phase}: {progress.done}/{progress.total} {progress.rate:.0f}/s ", end="", flush=True)


video, output = (*sys.argv[1:], "out.mp4")[:2]
blur = maskstream.BackgroundOptions("blur", strength=0.05)
result = maskstream.replace_background(video, blur, output, overwrite=True, on_progress=show)
print(f"\n{result.frames} frames in {output}")
