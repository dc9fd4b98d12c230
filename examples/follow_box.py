"""Follow any object from a box in the first frame: follow_box.py clip.mp4 40,10,60,50."""

import sys

import numpy as np

from maskstream import VideoSegmenter, from_box, read_video

video, box = sys.argv[1], tuple(int(number) for number in sys.argv[2].split(","))
segmenter = VideoSegmenter()
with read_video(video) as frames:
    for frame in frames:
        first_mask = from_box(frame.image, box) if frame.index == 0 else None  # (H, W) label map
        mask = segmenter.step(frame.image, first_mask).label_map == 1
        rows, columns = np.nonzero(mask)
        where = f"{columns.mean():.0f},{rows.mean():.0f}" if mask.any() else "out of sight"
        print(f"{float(frame.time):7.3f} s  {where}")
