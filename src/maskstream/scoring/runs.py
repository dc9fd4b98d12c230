"""Runs over the sequences of a set: from their first masks to a folder of palette PNGs for each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from maskstream.adaptation.config import WAY_FRAMES
from maskstream.arrays import Frame, LabelMap
from maskstream.datasets.readers import read_rgb
from maskstream.datasets.sequences import ALL_FRAMES, Protocol, SequenceFiles, SequenceSet
from maskstream.errors import InputError
from maskstream.files import new_folder, write_json, written_beside
from maskstream.masks.palette import present_ids, write_label_map
from maskstream.plain_data import read_json
from maskstream.scoring.attention import AttentionRecorder, spatial_constraint
from maskstream.scoring.score_folder import read_map
from maskstream.streaming.adapting import AdaptingSegmenter
from maskstream.streaming.segmentation import Segmenter

MakeSegmenter = Callable[[], Segmenter]

SETTINGS = "settings.json"
ABOUT = ".about"  #: what is known of each sequence beside its label maps
UNFINISHED = ".unfinished"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  #: the same files make the same zip


@dataclass(frozen=True)
class RunFolder:
    """Where the label maps of a run lie: ``<sequence>/<frame>.png``.

    A sequence's folder appears when it is whole, so several processes and machines may fill one run folder.

    Attributes:
        path: of the folder.
    """

    path: Path

    def begin(self, settings: Mapping[str, Any], overwrite: Sequence[SequenceFiles] | None = None) -> None:
        """Make the folder, or check that it is of a run with the same settings.

        Args:
            settings: plain data; what results depend on.
            overwrite: an earlier run is removed: settings, scores, and what it has of these sequences.

        Raises:
            InputError: it is of another run, or of none.
        """
        file = self.path / SETTINGS
        is_run = file.is_file()
        if not is_run and self.path.exists() and any(each.name[0] != "." for each in self.path.iterdir()):
            raise InputError(f"{self.path}: is not empty, and not of a run; name another folder")
        given = json.loads(json.dumps(settings))  # as the file will give it back
        if is_run and overwrite is None:
            self._compare(given)
            return
        if is_run and overwrite is not None:
            self._clear(overwrite)
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(file, given)

    def _compare(self, given: dict[str, Any]) -> None:
        file = self.path / SETTINGS
        found = read_json(file, "give `overwrite=True`")
        for key in sorted(given.keys() | found.keys()):
            if given.get(key) != found.get(key):
                raise InputError(
                    f"{self.path}: was made with {key} {_short(found.get(key))}, not "
                    f"{_short(given.get(key))}; name another folder, or give `overwrite=True`"
                )

    def _clear(self, sequences: Sequence[SequenceFiles]) -> None:
        for sequence in sequences:
            shutil.rmtree(self.path / sequence.name, ignore_errors=True)
        for name in (ABOUT, UNFINISHED):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for old in self.path.glob("*_results-*.csv"):
            old.unlink()

    def is_done(self, sequence: SequenceFiles) -> bool:
        """Whether a sequence is whole."""
        return (self.path / sequence.name).is_dir()

    def about(self, name: str, suffix: str) -> Path:
        """A file with what is known of a sequence."""
        return self.path / ABOUT / f"{quote(name, safe='')}{suffix}"

    def milliseconds(self, name: str) -> float | None:
        """Median time of a step in a sequence; None if nothing is known of it."""
        file = self.about(name, ".json")
        return float(read_json(file)["milliseconds"]) if file.is_file() else None

    @contextmanager
    def sequence(self, name: str) -> Iterator[Path]:
        """A folder to fill; when the block ends well it becomes that of the sequence.

        If another process was faster, its folder stays, whose label maps are the same.
        """
        unfinished = self.path / UNFINISHED
        unfinished.mkdir(exist_ok=True)
        (self.path / ABOUT).mkdir(exist_ok=True)
        label = f"{quote(name, safe='')}@"
        target = self.path / name
        try:
            with new_folder(unfinished, label) as part:
                yield part
                target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(part, target)
                for leftover in unfinished.glob(f"{label}*"):  # of processes that were killed
                    shutil.rmtree(leftover, ignore_errors=True)
        except OSError:
            if not target.is_dir():
                raise


class Done(NamedTuple):
    """A sequence that was segmented."""

    name: str
    frames: int


@dataclass(frozen=True)
class SequenceWork:
    """Segments sequences into a run folder; can be sent to another process, where it loads the network once.

    Attributes:
        load: gives what makes segmenters; can be pickled.
        key: differs for other segmenters.
        folder: of the run.
        protocol: decides at which frames masks are given.
        subset: of the set.
        with_attention: keep the maps of the spatial constraint, where the network shows them.
    """

    load: Callable[[], MakeSegmenter]
    key: str
    folder: RunFolder
    protocol: Protocol
    subset: str
    with_attention: bool = False

    def __call__(self, sequence: SequenceFiles) -> Done:
        """Segment one sequence.

        Raises:
            InputError: a file of it can't be read, or nothing in it is marked.
        """
        self.load_once()
        segmenter = _LOADED[self.key]()
        if isinstance(segmenter, AdaptingSegmenter):
            segmenter.look_ahead = partial(way_of, sequence)
        wanted = sequence.listed_frames if self.subset == ALL_FRAMES else sequence.images.keys()
        given = ProtocolMasks(sequence, self.protocol)
        seconds = []
        with self.folder.sequence(sequence.name) as part, ExitStack() as stack:
            recorder: AttentionRecorder | None = None
            if self.with_attention and (module := spatial_constraint(segmenter)) is not None:
                recorder = stack.enter_context(AttentionRecorder(module))
            for frame in sorted(sequence.images):
                rgb = read_rgb(sequence.images[frame], f"{sequence.name}/{frame}")
                masks = given.at(frame, rgb.shape[:2])
                start = time.perf_counter()
                segmentation = segmenter.step(rgb, masks)
                label_map = segmentation.label_map
                seconds.append(time.perf_counter() - start)
                if recorder is not None:
                    recorder.end_frame(frame, segmentation)
                if frame in wanted:
                    write_label_map(part / f"{frame}.png", label_map)
            if not given.ids:
                raise InputError(f"{sequence.name}: nothing is marked in any frame; it needs a first mask")
            if recorder is not None:
                recorder.save(self.folder.about(sequence.name, ".npz"))
            with written_beside(self.folder.about(sequence.name, ".json")) as file:
                file.write_text(json.dumps({"frames": len(seconds), "milliseconds": 1000 * median(seconds)}))
        return Done(sequence.name, len(seconds))

    def load_once(self) -> None:
        """Load the network, if this process has not."""
        if self.key not in _LOADED:
            _LOADED.clear()
            _LOADED[self.key] = self.load()


def way_of(sequence: SequenceFiles) -> list[Frame]:
    """Some frames of a sequence from its first mask on, evenly spread."""
    frames = [frame for frame in sorted(sequence.images) if frame >= min(sequence.masks)]
    every = max(1, len(frames) // WAY_FRAMES)
    return [
        read_rgb(sequence.images[frame], f"{sequence.name}/{frame}") for frame in frames[::every][:WAY_FRAMES]
    ]


_LOADED: dict[str, MakeSegmenter] = {}


@dataclass
class ProtocolMasks:
    """What a protocol lets a segmenter know, frame by frame.

    DAVIS gives the label map of the first frame. YouTube-VOS and our folders give each object where it first
    appears; what is 0 there says nothing of the objects that are known by then.

    Attributes:
        sequence: the files.
        protocol: the rules.
        ids: of the objects that were given so far.
    """

    sequence: SequenceFiles
    protocol: Protocol
    ids: set[int] = field(default_factory=set)

    def at(self, frame: str, size: tuple[int, ...]) -> LabelMap | None:
        """The ``(H, W)`` label map that is given with a frame of this size; None where none is.

        Raises:
            InputError: it has another size, or can't be read.
        """
        file = self.sequence.masks.get(frame)
        if file is None or (self.protocol.startswith("davis") and frame != min(self.sequence.masks)):
            return None
        name = f"{self.sequence.name}/{frame}.png"
        label_map = read_map(file, name, self.protocol)
        if label_map.shape != size:
            (height, width), (mask_height, mask_width) = size, label_map.shape
            raise InputError(f"{name}: the mask is {mask_width}x{mask_height}, its frame {width}x{height}")
        new = [i for i in present_ids(label_map) if i not in self.ids]
        self.ids.update(new)
        return np.where(np.isin(label_map, new), label_map, 0).astype(np.uint8) if new else None


def part_of(sequences: Sequence[SequenceFiles], part: tuple[int, int]) -> list[SequenceFiles]:
    """The ``i``-th of ``n`` even shares, from 1; long and short sequences are dealt out evenly."""
    index, count = part
    by_length = sorted(sequences, key=lambda each: (-len(each.images), each.name))
    return by_length[index - 1 :: count]


def write_submission(found: SequenceSet, folder: RunFolder, path: Path) -> None:
    """Zip the label maps the way the servers want them.

    DAVIS: the folders of the sequences at the top. YouTube-VOS: in ``Annotations``, and of each video the
    frames that ``meta.json`` lists with any object.

    Raises:
        InputError: a frame that belongs in it is missing.
    """
    top = "Annotations/" if found.protocol == "youtube-vos" else ""
    with written_beside(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for sequence in found.sequences:
            for frame in sorted(sequence.listed_frames or sequence.images):
                file = folder.path / sequence.name / f"{frame}.png"
                if not file.is_file():
                    raise InputError(f"{file}: no such result, but it belongs in the submission")
                name = f"{top}{sequence.name}/{frame}.png"
                archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), file.read_bytes())


def portable(settings: Any) -> Any:
    """Settings with each file's path, size and time replaced by its name and a checksum of what is in it.

    So that a run can be resumed where the same files lie elsewhere.
    """
    if isinstance(settings, dict):
        return {key: portable(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        if len(settings) == 3 and isinstance(settings[0], str) and Path(settings[0]).is_file():
            with open(settings[0], "rb") as file:
                return [Path(settings[0]).name, hashlib.file_digest(file, "sha256").hexdigest()[:16]]
        return [portable(value) for value in settings]
    return settings


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
