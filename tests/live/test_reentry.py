"""A real person before a webcam who leaves and comes back, followed by the shipped network."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskstream.masks.read import read_label_map
from maskstream.runtime import load
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.video.read import read_video

LEAVES, AWAY = 30, 60  # frames
HALF_A_SECOND = 12


def empty_room(frame, mask, number):
    """The same room with the person painted over, and a sensor's noise."""
    hole = cv2.dilate(mask, np.ones((15, 15), np.uint8))
    small = cv2.resize(frame, None, fx=0.25, fy=0.25)
    small_hole = cv2.resize(hole, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    painted = cv2.inpaint(small, small_hole, 5, cv2.INPAINT_TELEA)
    room = np.where(hole[..., None] > 0, cv2.resize(painted, frame.shape[1::-1]), frame)
    noise = np.random.default_rng(number).normal(0, 3, room.shape)
    return np.clip(room + noise, 0, 255).astype(np.uint8)


@pytest.mark.data
@pytest.mark.slow
def test_a_person_who_comes_back_is_found_within_half_a_second(data_folder: Path) -> None:
    if "live" not in load.shipped_models():
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    clip = data_folder / "clips" / "person-yellow-screen.mp4"
    with read_video(clip, end=LEAVES + HALF_A_SECOND) as reader:
        frames = [frame.image for frame in reader]
    segmenter = VideoSegmenter("live")
    label_map = read_label_map(clip.with_name("person-yellow-screen-first.png")).label_map
    for index, frame in enumerate(frames[:LEAVES]):
        before = segmenter.step(frame, label_map if index == 0 else None).label_map
    seen = [
        segmenter.step(empty_room(frames[LEAVES - 1], before.astype(np.uint8), number)).label_map.mean()
        for number in range(AWAY)
    ]
    assert max(seen[5:]) < 0.002
    for frame in frames[LEAVES:]:
        after = segmenter.step(frame).label_map
    assert (after & before).sum() / (after | before).sum() > 0.9
