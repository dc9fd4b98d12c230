"""`train`, `export` and `ablate` from Python, in one call each."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from PIL import Image

from maskstream import DataFolders, InputError, VideoSegmenter, ablate, export, load_model, train
from maskstream.masks.palette import write_label_map

pytestmark = pytest.mark.torch

SMALL = {
    "stages": [{"until": 1.0, "size": [64], "batch": 1, "frames": 2, "video_fraction": 0.0}],
    "save_minutes": 1000,
}


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    """Images of a bright square each, with its mask beside it."""
    folder = tmp_path_factory.mktemp("stills")
    random = np.random.default_rng(0)
    for number in range(4):
        image = random.integers(0, 90, (80, 100, 3), np.uint8)
        mask = np.zeros((80, 100), np.uint8)
        mask[20:60, 30:70] = 1
        image[mask > 0] += 150
        Image.fromarray(image).save(folder / f"{number}.jpg")
        write_label_map(folder / f"{number}.png", mask)
    return DataFolders(static=(folder,))


@pytest.mark.slow
def test_a_network_is_trained_exported_and_runs(tmp_path: Path, stills) -> None:
    options = {"data": stills, "config": SMALL, "device": "cpu", "threads": 2, "cache": tmp_path / "cache"}
    first = train(tmp_path / "run", steps=2, **options)
    assert (first.step, first.finished, first.rank) == (2, True, 0)
    assert first.weights.is_file()
    assert any((tmp_path / "cache").iterdir())
    done = export(first.weights, tmp_path / "mine", name="mine", size=64)
    assert done.info.name == "mine"
    assert done.bytes == sum(path.stat().st_size for path in done.graphs) > 0
    frame = np.zeros((64, 96, 3), np.uint8)
    mask = np.zeros((64, 96), np.uint8)
    mask[10:30, 10:30] = 1
    segmenter = VideoSegmenter(load_model(done.folder))
    assert np.array_equal(segmenter.step(frame, mask).label_map, mask)


def test_what_cannot_be_trained_is_one_line(tmp_path: Path, stills) -> None:
    with pytest.raises(InputError, match="no data to train on; give `data`, `davis`"):
        train(tmp_path / "run", data=DataFolders(), steps=1)
    with pytest.raises(InputError, match="live: finds no subject; leave `network` out"):
        train(tmp_path / "run", data=stills, stage="subject", network="live", steps=1)
    with pytest.raises(InputError, match="no field is called 'speed'"):
        train(tmp_path / "run", data=stills, config={"speed": 9}, steps=1)
    with pytest.raises(InputError, match="no development sequences to score on; give a `data` folder"):
        ablate(tmp_path / "all", data=stills)
    with pytest.raises(InputError, match="no development sequence is called 'dog'"):
        ablate(tmp_path / "all", data=stills, sequences=["dog"])
    assert not (tmp_path / "run").exists()
