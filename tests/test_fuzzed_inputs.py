"""Damaged files of every kind give one line or a result: no other error, no hang, no flood of memory.

``MASKSTREAM_FUZZED=1000`` tries more of them.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskstream.background.sources import open_background
from maskstream.errors import InputError
from maskstream.masks import rle
from maskstream.masks.palette import write_label_map
from maskstream.masks.read import read_label_map, read_object_masks
from maskstream.matte.matting import Matte
from maskstream.video.read import read_reversed, read_video
from maskstream.video.report import report
from maskstream.video.write import VideoWriter
from tests.helpers.tiny_clips import clip_maker, numbered

COUNT = int(os.environ.get("MASKSTREAM_FUZZED", "120"))
SECONDS = 20  #: that one file may take
MEGABYTES = 700  #: that all of them together may take beyond the start


def pictures() -> Iterator[tuple[str, bytes]]:
    ids = np.zeros((40, 60), np.uint8)
    ids[5:20, 5:30], ids[22:35, 20:50] = 1, 2
    colour = Image.fromarray(np.asarray([[0, 0, 0], [255, 0, 0], [0, 90, 255]], np.uint8)[ids])
    for suffix in ("png", "jpg", "webp", "gif", "bmp", "tif"):
        file = io.BytesIO()
        colour.save(file, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
        yield f"colour.{suffix}", file.getvalue()
    file = io.BytesIO()
    palette = Image.fromarray(ids)
    palette.putpalette([255, 255, 255, 9, 9, 9, 200, 0, 0])
    palette.save(file, "png", transparency=0)
    yield "palette.png", file.getvalue()
    for suffix in ("webp", "gif", "png"):
        file = io.BytesIO()
        more = [Image.fromarray(numbered(i, 60, 40)) for i in range(3)]
        more[0].save(file, suffix, save_all=True, append_images=more[1:], duration=40)
        yield f"animated.{suffix}", file.getvalue()


def videos(folder: Path) -> Iterator[tuple[str, bytes]]:
    make = clip_maker(folder)
    images = [numbered(i) for i in range(8)]
    for name, options in (
        ("a.mp4", {"audio_tracks": 1}),
        ("a.mkv", {"audio_tracks": 1}),
        ("a.ts", {"pixel_format": "yuv420p"}),
        ("a.avi", {"codec": "mpeg4", "pixel_format": "yuv420p"}),
        ("a.h264", {"pixel_format": "yuv420p"}),
        ("turned.mp4", {"rotation": 90}),
    ):
        yield name, make(name, images, **options).read_bytes()


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """The bytes of a file after one of the things that happen to files."""
    changed = bytearray(data)
    kind = int(random.integers(6))
    if kind == 0:
        return bytes(changed[: int(random.integers(len(changed)))])
    if kind == 1:  # bits that fell over
        for place in random.integers(0, len(changed), int(random.integers(1, 30))):
            changed[place] ^= 1 << int(random.integers(8))
    elif kind == 2:  # the header, where sizes and counts are
        for place in random.integers(0, min(len(changed), 200), int(random.integers(1, 6))):
            changed[place] = int(random.choice([0, 1, 127, 128, 255]))
    elif kind == 3:  # a piece of noise
        place, length = int(random.integers(len(changed))), int(random.integers(1, 400))
        changed[place : place + length] = random.bytes(length)
    elif kind == 4:  # a piece twice, or missing
        place, length = int(random.integers(len(changed))), int(random.integers(1, 2000))
        piece = changed[place : place + length]
        changed[place : place + length] = piece * int(random.choice([0, 2]))
    else:  # two numbers of four bytes
        for place in random.integers(0, max(1, len(changed) - 4), 2):
            changed[place : place + 4] = int(random.integers(2**32)).to_bytes(4, "big")
    return bytes(changed)


def frames_of(path: Path) -> None:
    with read_video(path, end=40) as reader:
        for frame in reader:
            assert frame.image.dtype == np.uint8


def reversed_of(path: Path) -> None:
    for frame in read_reversed(path, end=30, chunk=7):
        assert frame.image.ndim == 3


def rewritten(path: Path) -> None:
    output = path.with_name("out.mp4")
    with read_video(path, end=20) as reader, VideoWriter(output, like=reader.info, keep_from=path) as writer:
        size = None
        for frame in reader:
            size = size or frame.image.shape
            if frame.image.shape == size:
                writer.write(frame.image, frame.time, frame.duration)


def behind(path: Path) -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    background = open_background(path)
    for time in (0.0, 0.2, 5.0):
        assert background.at(frame, Matte(frame[..., 0], frame), time).shape == frame.shape
    background.close()


def objects_of(path: Path) -> None:
    read_object_masks([path])


READERS: dict[str, list[Callable[[Path], Any]]] = {
    "picture": [read_label_map, objects_of, behind, frames_of],
    "video": [frames_of, reversed_of, report, rewritten, behind, read_label_map],
}


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_one_line_or_a_result(tmp_path: Path, kind: str) -> None:
    sources = list(pictures() if kind == "picture" else videos(tmp_path))
    random = np.random.default_rng(20)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    said: list[str] = []
    for number in range(COUNT):
        name, data = sources[number % len(sources)]
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(damaged(data, random))
        reader = READERS[kind][number // len(sources) % len(READERS[kind])]
        try:
            with within(SECONDS):
                reader(path)
        except InputError as error:
            refused += 1
            said.append(str(error))
        except Exception as error:
            kept = Path("/tmp") / f"fuzzed-{path.name}"
            kept.write_bytes(path.read_bytes())
            pytest.fail(f"{reader.__name__} of {kept}: {error!r}")
        path.unlink()
    assert all("\n" not in line and len(line) < 1000 for line in said)
    assert refused > COUNT // 20  # they were damaged indeed
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    assert grown < MEGABYTES, f"{grown:.0f} MB"


def test_damaged_run_lengths_are_one_line_or_a_mask() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[4:9, 5:20] = 1
    random = np.random.default_rng(3)
    text = json.dumps([rle.encode(mask), rle.encode(mask, compressed=False)])
    said: list[str] = []
    oddities: list[Any] = [None, [], {}, "x", -1, 2**31, 2**63, 1.5, True, [[1]], float("nan")]
    for _ in range(COUNT):
        code = json.loads(text)[int(random.integers(2))]
        key = str(random.choice(["size", "counts"]))
        odd = oddities[int(random.integers(len(oddities)))]
        if isinstance(code[key], str) and random.integers(2):
            code[key] = damaged(code[key].encode("latin-1"), random).decode("latin-1")
        elif isinstance(code[key], list) and random.integers(2):
            code[key][int(random.integers(len(code[key])))] = odd
        else:
            code[key] = odd
        try:
            with within(SECONDS):
                assert rle.decode(code).ndim == 2
        except InputError as error:
            said.append(str(error))
    assert all("\n" not in line for line in said)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    for number in range(COUNT // 4):
        ids = np.kron(random.integers(0, 4, (5, 7)), np.ones((9, 9))).astype(np.uint8)
        ids[0] = 0
        ids[40:, :] = 3
        write_label_map(tmp_path / f"{number}.png", ids)
        assert np.array_equal(read_label_map(tmp_path / f"{number}.png").label_map, ids)
