from pathlib import Path

import numpy as np

from maskstream.live.motion import MotionGate
from maskstream.live.scene import small_of

RANDOM = np.random.default_rng(0)


def room(noise=0):
    base = np.random.default_rng(1).integers(40, 200, (360, 640, 3))
    return np.clip(base + RANDOM.normal(0, noise, base.shape), 0, 255).astype(np.uint8)


def settled(gate, frame):
    for number in range(3):
        assert gate.moves(small_of(frame), number / 30)
    return 3 / 30


def test_a_still_room_is_not_looked_at_again_though_the_sensor_is_noisy() -> None:
    gate = MotionGate(first=3)
    time = settled(gate, room(4))
    assert not any(gate.moves(small_of(room(4)), time + n / 30) for n in range(10))


def test_a_moving_hand_is() -> None:
    gate = MotionGate(first=3)
    time = settled(gate, room())
    frame = room()
    frame[100:140, 200:240] = 255 - frame[100:140, 200:240].mean().astype(np.uint8)
    assert gate.moves(small_of(frame), time)


def test_slow_changes_add_up() -> None:
    gate = MotionGate(first=3, rest_seconds=1000)
    time = settled(gate, room())
    looks = [
        gate.moves(small_of(np.clip(room().astype(int) + n // 4, 0, 255).astype(np.uint8)), time)
        for n in range(60)
    ]
    assert 1 <= sum(looks) <= 5


def test_a_look_is_taken_now_and_then_all_the_same() -> None:
    gate = MotionGate(first=3, rest_seconds=0.5)
    time = settled(gate, room())
    looks = [gate.moves(small_of(room()), time + n / 30) for n in range(60)]
    assert sum(looks) == 3


def test_after_a_reset_frames_are_looked_at() -> None:
    gate = MotionGate(first=3)
    time = settled(gate, room())
    assert not gate.moves(small_of(room()), time)
    gate.reset()
    assert gate.moves(small_of(room()), time)


def test_another_size_is_no_error() -> None:
    gate = MotionGate(first=1)
    gate.moves(small_of(room()), 0)
    gate.moves(small_of(np.zeros((90, 70, 3), np.uint8)), 0.1)


def dim_room(person_at, seed):
    """A dark room with a sensor's noise, and somebody in it who is hardly lighter than it."""
    image = np.random.default_rng(1).integers(8, 16, (36, 64, 3)).repeat(20, 0).repeat(20, 1).astype(float)
    image[200:, person_at : person_at + 300] += 9
    noise = np.random.default_rng(seed).normal(0, 2.5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_in_dim_light_who_moves_a_little_is_noticed_and_who_rests_is_not() -> None:
    gate = MotionGate(first=1, rest_seconds=1000)
    assert gate.moves(small_of(dim_room(400, 0)), 0.0)
    assert not any(gate.moves(small_of(dim_room(400, seed)), 0.1) for seed in range(1, 12))
    assert any(gate.moves(small_of(dim_room(400 + step, 20 + step)), 0.2) for step in range(1, 5))


def test_a_codecs_noise_is_no_motion(tmp_path: Path) -> None:
    from maskstream.live.sources.drawn_room import draw_frame, draw_room
    from maskstream.video.read import read_video
    from maskstream.video.write import VideoWriter

    frame = draw_frame(draw_room(1280, 720), 0).astype(float)
    with VideoWriter(tmp_path / "still.mp4", fps=15) as writer:
        for _ in range(40):
            noisy = frame + RANDOM.integers(-3, 4, frame.shape)
            writer.write(np.clip(noisy, 0, 255).astype(np.uint8))
    gate = MotionGate(rest_seconds=1000)
    with read_video(tmp_path / "still.mp4") as frames:
        looks = [gate.moves(small_of(one.image), one.index / 15) for one in frames]
    assert sum(looks[10:]) <= 3
