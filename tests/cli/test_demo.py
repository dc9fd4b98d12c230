"""``maskstream demo``, with a stand-in for the network."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main


@pytest.fixture
def stand_in(monkeypatch):
    """Segments every frame as the first mask."""

    class Repeats:
        def __init__(self, model):
            self.label_map = None

        def step(self, frame, masks=None):
            self.label_map = self.label_map if masks is None else masks
            return self

    monkeypatch.setattr("maskstream.load_model", lambda name: name, raising=False)
    monkeypatch.setattr("maskstream.VideoSegmenter", Repeats, raising=False)


def frame_count(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_it_writes_the_clip_the_masks_and_the_pictures(stand_in, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "demo"
    assert main(["demo", "-o", str(folder), "--frames", "9"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "clip.mp4",
        "contact-sheet.png",
        "first.png",
        "masks",
        "overlay.mp4",
    ]
    assert sorted(path.name for path in (folder / "masks").iterdir()) == [f"{i:05d}.png" for i in range(9)]
    assert frame_count(folder / "clip.mp4") == frame_count(folder / "overlay.mp4") == 9
    first = np.array(Image.open(folder / "first.png"))
    assert np.unique(first).tolist() == [0, 1, 2, 3]


def test_it_prints_each_objects_scores_beside_both_copies(
    stand_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", "-o", str(tmp_path), "--frames", "9"])
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[2:-1]] == [
        "J",
        "F",
        "copy first J",
        "copy previous J",
    ]
    rows = {row[1].strip(): row[2:-1] for row in (line.split("|") for line in lines[2:6])}
    assert list(rows) == ["object 1", "object 2", "object 3", "mean"]
    # The stand-in is the copy-first baseline.
    assert all(float(row[0]) == float(row[2]) < float(row[3]) for row in rows.values())


def test_a_shorter_run_leaves_no_frames_of_a_longer_one(stand_in, tmp_path: Path) -> None:
    main(["demo", "-o", str(tmp_path), "--frames", "6"])
    main(["demo", "-o", str(tmp_path), "--frames", "4"])
    assert len(list((tmp_path / "masks").iterdir())) == 4


@pytest.mark.parametrize("wrong", [("--frames", "2"), ("--seed", "-1")])
def test_what_it_cannot_do_is_one_line(wrong, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", str(tmp_path / "demo"), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
