from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskstream.cli.__main__ import main
from maskstream.errors import InputError
from maskstream.video.read import read_video
from maskstream.video.stills import frames_at, parse_moment
from tests.helpers.tiny_clips import clip_maker, number_of, numbered


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Twelve frames at 0, 0.1, ... s, the last four at 1, 1.5, 2, 2.5 s."""
    monkeypatch.chdir(tmp_path)
    pts = [*range(0, 480, 60), 600, 900, 1200, 1500]
    return clip_maker(tmp_path)("clip.mp4", [numbered(i) for i in range(12)], pts=pts).name


def saved(path: str | Path) -> np.ndarray[Any, Any]:
    image = cv2.imread(str(path))
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif"])
def test_saving_a_frame_says_one_line_and_no_library_adds_to_it(
    clip: str, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    assert main(["frame", clip, "3", "-o", f"f{suffix}"]) == 0
    assert capfd.readouterr().err.splitlines() == [f"frame 3 at 0.300 s: f{suffix}"]


@pytest.mark.parametrize(
    ("when", "index"),
    [
        *(("0", 0), ("7", 7), ("11", 11), ("0s", 0), ("0.1s", 1), ("0.19s", 1), ("0:00.95", 7)),
        *(("1.4s", 8), ("0:0:2", 10), ("2.5s", 11), ("2.52s", 11)),
    ],
)
def test_a_frame_is_saved_by_index_or_time_as_everything_else_decodes_it(
    clip: str, capsys: pytest.CaptureFixture[str], when: str, index: int
) -> None:
    assert main(["frame", clip, when, "-o", "f.png"]) == 0
    frame = next(f for f in read_video(clip) if f.index == index)
    assert np.array_equal(saved("f.png"), frame.image)
    assert f"frame {index} at" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "tif"])
def test_pictures_of_other_kinds(clip: str, suffix: str) -> None:
    assert main(["frame", clip, "3", "-o", f"new/f.{suffix}"]) == 0
    assert number_of(saved(f"new/f.{suffix}")) == 3


def test_several_frames_come_into_a_folder_named_by_their_index(clip: str) -> None:
    assert main(["frame", clip, "9", "2", "0.2s", "1.6s", "-o", "out/v1.2"]) == 0
    assert sorted(path.name for path in Path("out/v1.2").iterdir()) == ["00002.png", "00009.png"]
    assert number_of(saved("out/v1.2/00009.png")) == 9


def test_frames_of_a_folder_of_images_keep_their_names(clip: str) -> None:
    assert main(["frame", clip, "1", "2", "4", "-o", "images"]) == 0
    assert main(["frame", "images", "2", "-o", "again"]) == 0
    assert [path.name for path in Path("again").iterdir()] == ["00004.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clip.mp4", "12", "-o", "f.png"], "has nothing at frame 12; it has 12 frames, to 2.5"),
        (["clip.mp4", "1:00", "-o", "f.png"], "has nothing at 60 s"),
        (["clip.mp4", "abc", "-o", "f.png"], "abc: give the index of a frame, as 120, or a time"),
        (["clip.mp4", "-1s", "-o", "f.png"], None),
        (["clip.mp4", "1", "2", "-o", "f.png"], "is one picture; name a folder for 2 frames"),
        (["none.mp4", "1", "-o", "f.png"], "no such file"),
        (["clip.mp4", "1", "-o", "old.png"], "exists; give --overwrite"),
        (["clip.mp4", "1", "-o", "clip.mp4"], "is a file; name a picture"),
    ],
)
def test_what_cannot_be_is_one_line(
    clip: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str | None
) -> None:
    Path("old.png").write_text("mine")
    before = sorted(Path().iterdir())
    if message is None:
        with pytest.raises(SystemExit):
            main(["frame", *words])
        return
    assert main(["frame", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    assert Path("old.png").read_text() == "mine"


def test_overwriting_is_asked_for(clip: str) -> None:
    assert main(["frame", clip, "1", "-o", "f.png"]) == 0
    assert main(["frame", clip, "5", "-o", "f.png", "--overwrite"]) == 0
    assert number_of(saved("f.png")) == 5


def test_moments_in_python(clip: str) -> None:
    assert [frame.index for frame in frames_at(clip, [3, Fraction(3, 2), 1])] == [1, 3, 9]
    assert parse_moment("1:02:03.5") == Fraction(7447, 2)
    with pytest.raises(InputError):
        parse_moment("4.8")
