import numpy as np

from maskstream.live.motion import MotionGate

RANDOM = np.random.default_rng(0)


def room(noise=0):
    base = np.random.default_rng(1).integers(40, 200, (360, 640, 3))
    return np.clip(base + RANDOM.normal(0, noise, base.shape), 0, 255).astype(np.uint8)


def settled(gate, frame):
    for number in range(3):
        assert gate.moves(frame, number / 30)
    return 3 / 30


def test_a_still_room_is_not_looked_at_again_though_the_sensor_is_noisy():
    gate = MotionGate(first=3)
    time = settled(gate, room(4))
    assert not any(gate.moves(room(4), time + n / 30) for n in range(10))


def test_a_moving_hand_is():
    gate = MotionGate(first=3)
    time = settled(gate, room())
    frame = room()
    frame[100:140, 200:240] = 255 - frame[100:140, 200:240].mean().astype(np.uint8)
    assert gate.moves(frame, time)


def test_slow_changes_add_up():
    gate = MotionGate(first=3, rest_seconds=1000)
    time = settled(gate, room())
    looks = [
        gate.moves(np.clip(room().astype(int) + n // 4, 0, 255).astype(np.uint8), time) for n in range(60)
    ]
    assert 1 <= sum(looks) <= 5


def test_a_look_is_taken_now_and_then_all_the_same():
    gate = MotionGate(first=3, rest_seconds=0.5)
    time = settled(gate, room())
    looks = [gate.moves(room(), time + n / 30) for n in range(60)]
    assert sum(looks) == 3


def test_after_a_reset_frames_are_looked_at():
    gate = MotionGate(first=3)
    time = settled(gate, room())
    assert not gate.moves(room(), time)
    gate.reset()
    assert gate.moves(room(), time)


def test_another_size_is_no_error():
    gate = MotionGate(first=1)
    gate.moves(room(), 0)
    gate.moves(np.zeros((90, 70, 3), np.uint8), 0.1)
