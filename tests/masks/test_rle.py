import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.masks.rle import RleWriter, counts_to_string, decode, encode, string_to_counts

MASKS = {
    "empty": np.zeros((5, 7), dtype=np.uint8),
    "full": np.ones((5, 7), dtype=np.uint8),
    "corner": np.pad(np.ones((1, 1), dtype=np.uint8), ((0, 4), (0, 6))),
    "noise": np.random.default_rng(0).integers(0, 2, (31, 17), dtype=np.uint8),
    "disc": cv2.circle(np.zeros((300, 400), dtype=np.uint8), (250, 120), 90, 1, -1),
}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("name", MASKS)
def test_mask_survives_the_round_trip(name: str, compressed: bool) -> None:
    rle = json.loads(json.dumps(encode(MASKS[name], compressed)))
    assert np.array_equal(decode(rle), MASKS[name])


def test_counts_run_down_the_columns_and_begin_with_background() -> None:
    mask = np.array([[0, 1], [1, 1], [0, 0]])
    assert encode(mask, compressed=False) == {"size": [3, 2], "counts": [1, 1, 1, 2, 1]}
    assert encode(mask > -1, compressed=False)["counts"] == [0, 6]


def test_string_is_the_one_coco_publishes() -> None:
    # From the COCO API's own documentation of the format: differences from the third count on.
    assert counts_to_string([6, 1, 40, 4, 5, 4, 5, 4, 21]) == "61X13mN000`0"
    assert string_to_counts("61X13mN000`0") == [6, 1, 40, 4, 5, 4, 5, 4, 21]


@pytest.mark.parametrize("name", MASKS)
def test_code_equals_that_of_pycocotools(name: str) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    expected = coco.encode(np.asfortranarray(MASKS[name]))
    assert encode(MASKS[name]) == {"size": expected["size"], "counts": expected["counts"].decode()}


def test_damaged_code_is_refused() -> None:
    with pytest.raises(InputError, match="run-length code of 5 pixels for a mask of 2x3"):
        decode({"size": [3, 2], "counts": [1, 4]})


def label_map() -> np.ndarray[Any, Any]:
    labels = np.zeros((20, 30), dtype=np.int32)
    labels[2:6, 3:10] = 1
    labels[8:18, 20:29] = 700
    return labels


def test_written_file_holds_every_frame_and_object(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    with RleWriter(path, (20, 30)) as writer:
        writer.write(0, label_map(), time=0.5)
        writer.write(1, np.zeros((20, 30), dtype=np.uint8))
        assert not path.exists()
    content = json.loads(path.read_text())
    assert content["size"] == [20, 30]
    assert [frame["frame"] for frame in content["frames"]] == [0, 1]
    assert content["frames"][0]["time"] == 0.5
    assert "time" not in content["frames"][1]
    assert content["frames"][1]["objects"] == []
    first, second = content["frames"][0]["objects"]
    assert (first["id"], first["bbox"], first["area"]) == (1, [3, 2, 7, 4], 28)
    assert (second["id"], second["bbox"], second["area"]) == (700, [20, 8, 9, 10], 90)
    assert np.array_equal(decode(second["rle"]), label_map() == 700)
    assert [f.name for f in tmp_path.iterdir()] == ["masks.json"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    path.write_text("old")

    def write_and_fail() -> None:
        with RleWriter(path, (20, 30)) as writer:
            writer.write(0, label_map())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert path.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["masks.json"]


def test_video_without_frames_is_valid_json(tmp_path: Path) -> None:
    with RleWriter(tmp_path / "m.json", (2, 2)):
        pass
    assert json.loads((tmp_path / "m.json").read_text())["frames"] == []


def test_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its folder does not exist"):
        RleWriter(tmp_path / "none" / "m.json", (2, 2))
