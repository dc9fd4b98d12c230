from pathlib import Path

import numpy as np
from PIL import Image

from maskstream.arrays import LabelMap
from maskstream.datasets.collection import open_data_folder
from maskstream.datasets.parts import connected_parts
from maskstream.datasets.readers import VOID


def drawn(*rows: str) -> LabelMap:
    """Each character 8 x 8 pixels: ``.`` background, ``v`` void, digits ids."""
    table = {".": 0, "v": VOID}
    small = [[table.get(c, 0) if c in table else int(c) for c in row] for row in rows]
    return np.kron(np.array(small, np.uint8), np.ones((8, 8), np.uint8))


def test_each_part_becomes_an_object_the_largest_first() -> None:
    found = connected_parts(drawn("1.11", "1.11", "..2.", "11v2"))
    expected = drawn("2.11", "2.11", "..4.", "33v5")
    assert (found[:, :16] == expected[:, :16]).all()
    assert (found[expected == 1] == 1).all()
    assert (found[expected == VOID] == VOID).all()
    assert len(set(found[expected == 4])) == len(set(found[expected == 5])) == 1
    assert found[16, 16] != found[24, 24]  # corners don't connect


def test_shapes_that_join_late_are_one() -> None:
    comb = drawn("1.1.1", "1.1.1", "11111")
    assert set(np.unique(connected_parts(comb))) == {0, 1}
    spiral = drawn("11111", "1...1", "1.1.1", "1.111", "1....")
    assert set(np.unique(connected_parts(spiral))) == {0, 1}


def test_touching_classes_stay_apart() -> None:
    found = connected_parts(drawn("1122"))
    assert found[0, 0] != found[0, -1]
    assert (found > 0).all()


def test_specks_are_void() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[10:50, 10:50] = 3
    labels[80, 80:84] = 3
    found = connected_parts(labels)
    assert (found[10:50, 10:50] == 1).all()
    assert (found[80, 80:84] == VOID).all()


def test_empty_label_maps_stay_empty() -> None:
    assert not connected_parts(np.zeros((5, 7), np.uint8)).any()


def test_sets_of_classes_are_read_in_parts_and_others_are_not(tmp_path: Path) -> None:
    labels = drawn("1.1", "1..")
    for name in ("sysu_scenes", "others"):
        folder = tmp_path / "static" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (24, 16)).save(folder / "x.jpg")
        Image.fromarray(labels).save(folder / "x.png")
    images = {image.name: image for image in open_data_folder(tmp_path).images}
    assert set(np.unique(images["sysu_scenes/x"].load()[1])) == {0, 1, 2}
    assert set(np.unique(images["others/x"].load()[1])) == {0, 1}
    assert images["sysu_scenes/x"].stamp != images["others/x"].stamp  # no cache of whole ids is taken
