"""COCO instance annotations (needs pycocotools: the ``coco`` extra)."""

from __future__ import annotations

import importlib.util
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes
from maskstream.datasets.file_index import FileIndex, FileRef, index_files
from maskstream.datasets.readers import VOID, LabelledImage, Load, Pair, ReadingReport, read_rgb
from maskstream.errors import InputError

MAX_INSTANCES = VOID - 1


def coco_images(
    images: Path, annotations: Path, report: ReadingReport, *, min_area: float = 0.0
) -> Iterator[LabelledImage]:
    """Images with instances numbered from 1, the largest first; crowds are void.

    Where instances overlap the smaller one is on top, as masks of tables include what stands on them.

    Args:
        images: folder (or tar) of the image files.
        annotations: ``instances_*.json``.
        report: learns of images that are missing or have no instance.
        min_area: instances smaller than this, in pixels, become void.

    Raises:
        InputError: pycocotools is not installed, or ``annotations`` is no COCO instances file.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise InputError("COCO needs pycocotools: pip install 'maskstream[coco]'")
    try:
        content = json.loads(annotations.read_bytes())
        listed: list[dict[str, Any]] = content["images"]
        of_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for instance in content["annotations"]:
            of_image[instance["image_id"]].append(instance)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{annotations} is no COCO instances file ({error})") from error
    return _images(index_files(images), listed, of_image, report, min_area)


def _images(
    files: FileIndex,
    listed: list[dict[str, Any]],
    of_image: dict[int, list[dict[str, Any]]],
    report: ReadingReport,
    min_area: float,
) -> Iterator[LabelledImage]:
    for entry in listed:
        name = f"coco/{entry['file_name']}"
        file, instances = files.get(entry["file_name"]), of_image.get(entry["id"], [])
        if file is None:
            report.skip(name, "the image is missing")
        elif all(instance.get("iscrowd") for instance in instances):
            report.skip(name, "no instance in it")
        else:
            load = _loader(file, name, (entry["height"], entry["width"]), instances, min_area)
            stamp = zlib.crc32(repr((min_area, instances)).encode())
            yield LabelledImage(name, load, stamp=f"{file.size} {stamp}")


def _loader(
    file: FileRef, name: str, size: tuple[int, int], instances: list[dict[str, Any]], min_area: float
) -> Load:
    def load() -> Pair:
        rgb = read_rgb(file, name)
        if rgb.shape[:2] != size:
            height, width = rgb.shape[:2]
            raise InputError(f"{name}: the image is {width}x{height}, annotated at {size[1]}x{size[0]}")
        return rgb, _draw(instances, size, name, min_area)

    return load


def _draw(instances: list[dict[str, Any]], size: tuple[int, int], name: str, min_area: float) -> Bytes:
    labels = np.zeros(size, np.uint8)
    masks = []
    for instance in instances:
        region = _region(instance["segmentation"], size, name)
        if instance.get("iscrowd") or region.sum() < min_area:
            labels[region] = VOID
        else:
            masks.append(region)
    masks.sort(key=np.count_nonzero, reverse=True)
    for number, region in enumerate(masks[:MAX_INSTANCES], start=1):
        labels[region] = number
    for region in masks[MAX_INSTANCES:]:
        labels[region] = VOID
    return labels


def _region(segmentation: Any, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """Polygons, counts or compressed counts to a mask of ``size`` (height, width)."""
    from pycocotools import mask

    try:
        if isinstance(segmentation, list):
            rle = mask.merge(mask.frPyObjects(segmentation, *size))
        elif isinstance(segmentation["counts"], list):
            rle = mask.frPyObjects(segmentation, *size)
        else:
            rle = segmentation
        region: NDArray[np.bool_] = mask.decode(rle).astype(bool)
    except Exception as error:  # pycocotools raises bare Exception
        raise InputError(f"{name}: a segmentation cannot be decoded ({error})") from error
    if region.shape != size:
        raise InputError(f"{name}: a segmentation has another size than the image")
    return region
