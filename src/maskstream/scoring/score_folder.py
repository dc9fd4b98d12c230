"""Scores of label maps in folders, by the rules of DAVIS 2016 and 2017, YouTube-VOS, or our own for folders.

What the protocols share: J and F of every object in every frame that counts; of each object their mean,
recall and decay; of a set the means over its objects. They differ in the frames and the objects:

* DAVIS 2017: ids 1 to the largest of the first true label map, holes too; 255 is background; neither the
  first nor the last frame counts.
* DAVIS 2016: all that is not 0 is one object; the same frames.
* YouTube-VOS: the objects of ``meta.json``, each in the frames that it lists after the first of them, which
  is given; the score is the mean of J and F over seen and over unseen categories.
* folders: all objects of the true label maps, each after the frame where it first appears; the last frame of
  a sequence doesn't count. A mask of 0 and 255 only is one object. Where all objects are in the first
  frame, this is DAVIS 2017 without holes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np

from maskstream.arrays import Doubles, LabelMap
from maskstream.datasets.file_index import FileRef, index_files
from maskstream.datasets.readers import VOID, read_ids, read_labels
from maskstream.datasets.sequences import Protocol, SequenceFiles, SequenceSet, frames_by_sequence
from maskstream.errors import InputError
from maskstream.masks.palette import present_ids
from maskstream.scoring.metrics import Statistics, frame_scores, summary
from maskstream.scoring.processes import cores, shared

FRAMES_A_WORKER = 300  #: starting a process takes about as long as scoring a hundred frames


@dataclass(frozen=True)
class ObjectScore:
    """J and F of one object over its frames that count.

    Attributes:
        sequence: name of its sequence.
        object_id: its id there.
        frames: names of the ``T`` frames.
        j: ``(T,)`` region similarity, 0..1.
        f: ``(T,)`` boundary accuracy, 0..1.
        category: what it is, where the data set says.
        seen: whether its category is among the training ones; None if not known.
    """

    sequence: str
    object_id: int
    frames: tuple[str, ...]
    j: Doubles
    f: Doubles
    category: str = ""
    seen: bool | None = None

    @property
    def name(self) -> str:
        """As the official tool calls it: ``<sequence>_<id>``."""
        return f"{self.sequence}_{self.object_id}"

    @property
    def j_statistics(self) -> Statistics:
        """Mean, recall and decay of J."""
        return summary(self.j)

    @property
    def f_statistics(self) -> Statistics:
        """Mean, recall and decay of F."""
        return summary(self.f)

    @property
    def jf_mean(self) -> float:
        """J&F: the mean of both means."""
        return (float(self.j.mean()) + float(self.f.mean())) / 2


@dataclass(frozen=True)
class Scores:
    """The scores of a set.

    Attributes:
        protocol: whose rules were used.
        subset: name of the set.
        objects: in the order of the set.
        notes: what to know of the results beside the figures, a line each.
    """

    protocol: Protocol
    subset: str
    objects: tuple[ObjectScore, ...]
    notes: tuple[str, ...] = ()

    def overall(self) -> dict[str, float]:
        """The figures of the whole set under the official tool's names, means over objects.

        Under YouTube-VOS those of the categories come first, where they are known: ``G`` is the mean of the
        four after it.
        """
        j = [each.j_statistics for each in self.objects]
        f = [each.f_statistics for each in self.objects]
        davis = {
            "J-Mean": fmean(each.mean for each in j),
            "J-Recall": fmean(each.recall for each in j),
            "J-Decay": fmean(each.decay for each in j),
            "F-Mean": fmean(each.mean for each in f),
            "F-Recall": fmean(each.recall for each in f),
            "F-Decay": fmean(each.decay for each in f),
        }
        return {**self._by_category(), "J&F-Mean": (davis["J-Mean"] + davis["F-Mean"]) / 2, **davis}

    def _by_category(self) -> dict[str, float]:
        if self.protocol != "youtube-vos" or any(each.seen is None for each in self.objects):
            return {}
        parts = {}
        for measure in ("J", "F"):
            for name, wanted in (("Seen", True), ("Unseen", False)):
                rows = [each.j if measure == "J" else each.f for each in self.objects if each.seen is wanted]
                if rows:
                    parts[f"{measure}-{name}"] = fmean(float(row.mean()) for row in rows)
        return {"G": fmean(parts.values()), **parts}


class Task(NamedTuple):
    """One sequence to score, as it is sent to a process.

    Attributes:
        sequence: the truth.
        results: label maps by frame name.
        folder: where the results should lie, for messages.
        protocol: whose rules hold.
    """

    sequence: SequenceFiles
    results: Mapping[str, FileRef]
    folder: str
    protocol: Protocol


class SequenceResult(NamedTuple):
    """What comes back: the objects' scores, and what to note."""

    name: str
    objects: list[ObjectScore]
    note: str


class ResultFiles:
    """The label maps of a folder of results, by sequence and frame name."""

    def __init__(self, root: Path) -> None:
        """Find them: ``<sequence>/<frame>.png``, perhaps in ``Annotations``, or those of one sequence.

        Args:
            root: folder, or an uncompressed tar.

        Raises:
            InputError: there is none.
        """
        self.root = Path(root)
        if not self.root.exists():
            raise InputError(f"no results at {root}: give the folder that holds <sequence>/<frame>.png")
        found = frames_by_sequence(index_files(self.root))
        submitted = {
            name.removeprefix("Annotations/"): frames
            for name, frames in found.items()
            if name.startswith("Annotations/")
        }
        self.sequences = submitted or found
        self.where = f"{root}/Annotations" if submitted else str(root)
        if not self.sequences:
            raise InputError(f"{root}: no label maps here; results are PNG files, <sequence>/<frame>.png")

    def of(self, name: str, is_only: bool) -> tuple[Mapping[str, FileRef], str]:
        """The label maps of a sequence, and where they are; those of the folder itself for an only one."""
        if is_only and name not in self.sequences and "." in self.sequences:
            return self.sequences["."], self.where
        return self.sequences.get(name, {}), f"{self.where}/{name}"


def scoring_tasks(truth: SequenceSet, results: ResultFiles) -> list[Task]:
    """One task a sequence.

    Raises:
        InputError: a sequence has no results at all.
    """
    tasks = []
    for sequence in truth.sequences:
        frames, folder = results.of(sequence.name, is_only=len(truth.sequences) == 1)
        if not frames:
            raise InputError(f"{folder}: no results of this sequence, which {truth.subset} holds")
        tasks.append(Task(sequence, frames, folder, truth.protocol))
    return tasks


def copy_tasks(truth: SequenceSet) -> dict[str, list[Task]]:
    """What takes no network, as tasks: the first true label map, or that of the frame before, as results.

    They are those of `maskstream.scoring.baselines`; objects that appear later are not in the first one.
    """
    first, previous = [], []
    for sequence in truth.sequences:
        names = sorted(sequence.masks)
        files = [sequence.masks[name] for name in names]
        copies = dict.fromkeys(names, files[0])
        first.append(Task(sequence, copies, "copy first", truth.protocol))
        before = dict(zip(names, [files[0], *files], strict=False))
        previous.append(Task(sequence, before, "copy previous", truth.protocol))
    return {"copy first": first, "copy previous": previous}


def score_tasks(tasks: Sequence[Task], workers: int | None) -> Generator[SequenceResult, None, None]:
    """Score sequences in so many processes; results come as they are ready.

    Args:
        tasks: the sequences.
        workers: how many; None: the cores, but one for every `FRAMES_A_WORKER` frames.

    Raises:
        InputError: as `score_task`.
    """
    if workers is None:
        workers = min(cores(), 1 + sum(len(task.sequence.masks) for task in tasks) // FRAMES_A_WORKER)
    by_length = sorted(tasks, key=lambda task: -len(task.sequence.masks))
    return shared(score_task, by_length, workers)


def gather(
    truth: SequenceSet, scored: Iterable[SequenceResult], results: ResultFiles | None = None
) -> Scores:
    """The scores of a set from those of its sequences, in the set's order.

    Args:
        truth: the set.
        scored: of all its sequences.
        results: where they are from, to note what else is there.
    """
    found = {result.name: result for result in scored}
    in_order = [found[sequence.name] for sequence in truth.sequences]
    notes = [result.note for result in in_order if result.note]
    known = {sequence.name for sequence in truth.sequences} | ({"."} if len(truth.sequences) == 1 else set())
    if results is not None and (more := sorted(results.sequences.keys() - known)):
        notes.append(f"{results.where}: {_few(more)} not in {truth.subset}: left out")
    objects = tuple(score for result in in_order for score in result.objects)
    if truth.protocol == "youtube-vos" and any(score.seen is None for score in objects):
        notes.append("no telling seen from unseen categories: no training meta.json was given (`seen`)")
    return Scores(truth.protocol, truth.subset, objects, tuple(notes))


def score_folder(truth: SequenceSet, results: Path, workers: int | None = None) -> Scores:
    """Score a folder of results.

    Args:
        truth: the true label maps.
        results: see `ResultFiles`.
        workers: see `score_tasks`.

    Raises:
        InputError: results are missing, or can't be compared with the truth; the message names the file.
    """
    found = ResultFiles(results)
    return gather(truth, score_tasks(scoring_tasks(truth, found), workers), found)


def score_task(task: Task) -> SequenceResult:
    """Score one sequence, frame by frame.

    Raises:
        InputError: a frame that counts has no result or one of another size, a file can't be read, or no
            frame counts.
    """
    counting = _frames_that_count(task)
    scores: dict[int, list[tuple[str, float, float]]] = {i: [] for i in counting}
    frames = sorted(set[str]().union(*counting.values()))
    largest = max(counting)
    strange: list[tuple[str, int]] = []
    for frame in frames:
        file = task.results.get(frame)
        if file is None:
            raise InputError(f"{task.folder}/{frame}.png: no such result, but this frame is scored")
        where = f"{task.sequence.name}/{frame}.png"
        truth = read_map(task.sequence.masks[frame], f"truth {where}", task.protocol)
        prediction = read_result(file, f"{task.folder}/{frame}.png", task.protocol)
        if truth.shape != prediction.shape:
            (height, width), (true_height, true_width) = prediction.shape, truth.shape
            raise InputError(
                f"{task.folder}/{frame}.png: is {width}x{height}, the truth {true_width}x{true_height}; "
                "save label maps at full size"
            )
        if (top := int(prediction.max())) > largest:
            strange.append((frame, top))
        ids = [i for i, its_frames in counting.items() if frame in its_frames]
        for i, j, f in zip(ids, *frame_scores(truth, prediction, ids), strict=True):
            scores[i].append((frame, j, f))
    listed = task.sequence.objects or {}
    objects = [
        ObjectScore(
            task.sequence.name,
            i,
            tuple(frame for frame, _, _ in rows),
            np.array([j for _, j, _ in rows]),
            np.array([f for _, _, f in rows]),
            listed[i].category if i in listed else "",
            listed[i].seen if i in listed else None,
        )
        for i, rows in scores.items()
    ]
    return SequenceResult(task.sequence.name, objects, _note(task, strange, largest))


def read_map(file: FileRef, name: str, protocol: Protocol) -> LabelMap:
    """A true label map by the rules of a protocol: ``(H, W)`` uint8 ids, without void.

    Raises:
        InputError: it can't be read.
    """
    if protocol == "davis2016":
        return (read_ids(file, name) > 0).astype(np.uint8)
    label_map = read_labels(file, name) if protocol == "folder" else read_ids(file, name)
    if label_map.max() < VOID:
        return label_map
    return np.where(label_map == VOID, 0, label_map).astype(np.uint8)


def has_truth(sequence: SequenceFiles, protocol: Protocol) -> bool:
    """Whether label maps are there for more than the frames where objects are given."""
    if protocol == "youtube-vos":
        return sequence.listed_frames <= sequence.masks.keys() and len(sequence.masks) > 1
    complete = not sequence.images or sequence.images.keys() <= sequence.masks.keys()
    return len(sequence.masks) >= 3 and (complete or protocol == "folder")


def read_result(file: FileRef, name: str, protocol: Protocol) -> LabelMap:
    """A predicted label map by the rules of a protocol: ``(H, W)`` uint8 ids.

    Raises:
        InputError: it can't be read.
    """
    if protocol == "davis2016":
        return (read_ids(file, name) > 0).astype(np.uint8)
    return read_labels(file, name) if protocol == "folder" else read_ids(file, name)


def _frames_that_count(task: Task) -> dict[int, frozenset[str]]:
    """The objects to score, each with the frames where it is scored."""
    sequence, protocol = task.sequence, task.protocol
    names = sorted(sequence.masks)
    if protocol == "youtube-vos":
        found = {
            i: frozenset(sorted(listed.frames)[1:]) & sequence.masks.keys()
            for i, listed in (sequence.objects or {}).items()
        }
    elif protocol == "folder":
        found = {}
        for index, frame in enumerate(names[:-1]):
            later = frozenset(names[index + 1 : -1])
            label_map = read_map(sequence.masks[frame], f"truth {sequence.name}/{frame}.png", protocol)
            for i in present_ids(label_map):
                found.setdefault(i, later)
        found = {i: found[i] for i in sorted(found)}
    else:
        first = read_map(sequence.masks[names[0]], f"truth {sequence.name}/{names[0]}.png", protocol)
        found = dict.fromkeys(range(1, int(first.max()) + 1), frozenset(names[1:-1]))
    found = {i: frames for i, frames in found.items() if frames}
    if not found:
        raise InputError(
            f"{sequence.name}: nothing to score: the truth has label maps of {len(names)} frames, "
            "and no object in them beyond those where it is given"
        )
    return found


def _note(task: Task, strange: list[tuple[str, int]], largest: int) -> str:
    notes = []
    if strange:
        (frame, top), count = strange[0], len(strange)
        notes.append(
            f"{count} frame{'s' * (count != 1)} (first {frame}.png) with ids above {largest}, as {top}: "
            "counted as background"
            + (", where the official tool refuses them" if task.protocol == "davis2017" else "")
        )
    if more := sorted(task.results.keys() - task.sequence.masks.keys()):
        notes.append(f"{_few([f'{name}.png' for name in more])} not in the truth: left out")
    return f"{task.folder}: {'; '.join(notes)}" if notes else ""


def _few(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are, as the subject of a sentence."""
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{names[0]} and {len(names) - 1} more are"
