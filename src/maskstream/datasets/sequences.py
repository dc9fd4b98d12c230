"""The sequences that a benchmark scores: which frames they have, which label maps, which objects count."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from maskstream.datasets.davis import davis_list
from maskstream.datasets.file_index import FileIndex, FileRef, index_below, index_files
from maskstream.datasets.folders import IMAGE_SUFFIXES
from maskstream.errors import InputError

#: Whose rules hold; ``folder`` is our own for any masks in folders.
Protocol = Literal["davis2016", "davis2017", "youtube-vos", "folder"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

ALL_FRAMES = "valid_all_frames"  #: the split of YouTube-VOS whose images come at the full rate
EVERYTHING = "all"  #: name of the set where there are no lists


@dataclass(frozen=True)
class ListedObject:
    """What YouTube-VOS's ``meta.json`` says of an object.

    Attributes:
        frames: names of its frames; it is given at the first.
        category: what it is; empty if not said.
        seen: whether its category is among the training ones; None if not known.
    """

    frames: tuple[str, ...]
    category: str = ""
    seen: bool | None = None


@dataclass(frozen=True)
class SequenceFiles:
    """The files of one sequence, by frame name (a file's name without its ending), in order.

    Attributes:
        name: of the sequence.
        masks: label maps, of all frames or of some.
        images: empty where the data set has none, or they weren't asked for.
        objects: what is listed of each object id; None where the label maps alone tell.
    """

    name: str
    masks: Mapping[str, FileRef]
    images: Mapping[str, FileRef] = field(default_factory=dict)
    objects: Mapping[int, ListedObject] | None = None

    @property
    def listed_frames(self) -> frozenset[str]:
        """The frames that any object is listed with."""
        return frozenset(frame for listed in (self.objects or {}).values() for frame in listed.frames)


@dataclass(frozen=True)
class SequenceSet:
    """The sequences of one set, under one protocol.

    Attributes:
        protocol: whose rules hold.
        subset: the list or split they are from, ``all`` where there are none.
        root: where they lie, for messages.
        sequences: in the order of the list.
    """

    protocol: Protocol
    subset: str
    root: Path
    sequences: tuple[SequenceFiles, ...]


def open_sequences(
    root: Path,
    protocol: Protocol | None = None,
    subset: str | None = None,
    *,
    resolution: str = "480p",
    with_images: bool = False,
    seen: Path | None = None,
) -> SequenceSet:
    """Finds the sequences of a data set; nothing is decoded.

    Layouts: DAVIS (``Annotations/480p`` and ``ImageSets``), YouTube-VOS (``Annotations`` and ``meta.json``
    in the folder of the split), and folders: ``Annotations/<sequence>/x.png``, perhaps beside
    ``JPEGImages/<sequence>/x.jpg``, at any depth; the same in the ``video-dev*`` parts of a data folder; or,
    without images, ``<sequence>/x.png``, or the label maps of one sequence.

    Args:
        root: folder of the data set, or an uncompressed tar of what is in it.
        protocol: None: what the layout looks like.
        subset: DAVIS: the list, ``val`` if None; YouTube-VOS: the split, ``valid`` if None.
        resolution: of DAVIS.
        with_images: the frames are wanted, and must be there.
        seen: the ``meta.json`` of YouTube-VOS's training split, which tells the seen categories; None: that
            of ``train`` beside the split, if there is one.

    Raises:
        InputError: the layout is another, or parts are missing.
    """
    root = Path(root)
    if not root.exists():
        raise InputError(f"no data set at {root}: give a folder or a .tar file")
    protocol = protocol or _guess(root)
    if protocol == "folder":
        found = SequenceSet(protocol, EVERYTHING, root, _of_folders(root, with_images))
        if subset not in (None, EVERYTHING):
            raise InputError(f"{root}: plain folders have no set {subset!r}; leave it out")
    elif protocol == "youtube-vos":
        found = _of_youtube_vos(root, subset, with_images, seen)
    else:
        found = _of_davis(root, protocol, subset or "val", resolution, with_images)
    if not found.sequences:
        raise InputError(f"{root}: no label maps here; give <sequence>/00000.png, DAVIS or YouTube-VOS")
    return found


def with_images(found: SequenceSet, root: Path) -> SequenceSet:
    """The same sequences with their images, as far as they lie in folders of their names below ``root``.

    If there are any in ``JPEGImages``, only those count; below the truth's own root no others do.

    Raises:
        InputError: there is no such folder.
    """
    images = {
        f"/{path}": each for path, each in frames_by_sequence(index_files(root), IMAGE_SUFFIXES).items()
    }
    proper = {path: each for path, each in images.items() if "/JPEGImages/" in path}
    if proper or root == found.root:
        images = proper
    sequences = []
    for sequence in found.sequences:
        place = next((path for path in images if path.endswith(f"/{sequence.name}")), None)
        sequences.append(sequence if place is None else replace(sequence, images=images[place]))
    return replace(found, sequences=tuple(sequences))


def frames_by_sequence(files: FileIndex, suffixes: Collection[str] = (".png",)) -> dict[str, FileIndex]:
    """Files by their folder, then by their name without its ending."""
    grouped: dict[str, FileIndex] = {}
    for name, file in files.items():
        path = PurePosixPath(name)
        if path.suffix.lower() in suffixes:
            grouped.setdefault(str(path.parent), {})[path.stem] = file
    return grouped


def _guess(root: Path) -> Protocol:
    """The protocol that a layout is meant for."""
    lists = index_below(root, "ImageSets")
    if lists:
        return "davis2017" if any(name.startswith("2017/") for name in lists) else "davis2016"
    is_split = index_below(root, "Annotations") and _file(root, "meta.json")
    return "youtube-vos" if is_split or _file(root, "valid/meta.json") else "folder"


def _file(root: Path, name: str) -> FileRef | None:
    if root.is_dir():
        path = root / name
        return FileRef(path, 0, path.stat().st_size) if path.is_file() else None
    return index_files(root).get(name)


def _of_davis(root: Path, protocol: Protocol, subset: str, resolution: str, with_images: bool) -> SequenceSet:
    lists = {f"ImageSets/{name}": file for name, file in index_below(root, "ImageSets").items()}
    names = davis_list(lists, root, 2016 if protocol == "davis2016" else 2017, subset, resolution)
    masks = frames_by_sequence(index_below(root, f"Annotations/{resolution}"))
    images: dict[str, FileIndex] = {}
    if with_images:
        images = frames_by_sequence(index_below(root, f"JPEGImages/{resolution}"), IMAGE_SUFFIXES)
    sequences = []
    for name in names:
        if name not in masks:
            raise InputError(f"{root}/Annotations/{resolution}/{name}: no label maps; {subset} lists it")
        if with_images and name not in images:
            raise InputError(f"{root}/JPEGImages/{resolution}/{name}: no images; {subset} lists it")
        sequences.append(SequenceFiles(name, masks[name], images.get(name, {})))
    return SequenceSet(protocol, subset, root, tuple(sequences))


def _of_youtube_vos(root: Path, subset: str | None, with_images: bool, seen: Path | None) -> SequenceSet:
    inside = subset is None and _file(root, "meta.json") is not None  # the root is the split itself
    subset = subset or (root.name if inside else "valid")
    split = "" if inside else "valid/" if subset == ALL_FRAMES else f"{subset}/"
    meta = _file(root, f"{split}meta.json")
    if meta is None:
        raise InputError(f"{root} has no {split}meta.json; give the folder that holds the YouTube-VOS splits")
    where = f"{root}/{split}meta.json"
    train = _file(root, "train/meta.json") if not inside else _file(root.parent, "train/meta.json")
    if seen is not None:
        if not seen.is_file():
            raise InputError(f"{seen}: no such file; give the meta.json of the training split")
        train = FileRef(seen, 0, seen.stat().st_size)
    categories = _categories(train, str(seen or f"{root}/train/meta.json"))
    masks = frames_by_sequence(index_below(root, f"{split}Annotations"))
    images: dict[str, FileIndex] = {}
    if with_images:
        folders = [f"{split}JPEGImages"]
        if subset == ALL_FRAMES:
            folders = [f"{ALL_FRAMES}/JPEGImages", f"all_frames/{ALL_FRAMES}/JPEGImages"]
        for folder in folders:
            images = images or frames_by_sequence(index_below(root, folder), IMAGE_SUFFIXES)
        if not images:
            raise InputError(f"{root} has no {' or '.join(folders)}; unpack the images there")
    sequences = []
    for name, video in _videos(meta, where).items():
        if name not in masks:
            raise InputError(f"{root}/{split}Annotations/{name}: no label maps; meta.json lists it")
        if with_images and name not in images:
            raise InputError(f"{name}: no images of this video, which {where} lists")
        objects = _objects(video, f"{where}, video {name}", categories)
        sequences.append(SequenceFiles(name, masks[name], images.get(name, {}), objects))
    return SequenceSet("youtube-vos", subset, root, tuple(sequences))


def _videos(meta: FileRef, where: str) -> dict[str, Any]:
    try:
        videos: dict[str, Any] = json.loads(meta.read())["videos"]
        return dict(sorted(videos.items()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is no list of videos ({error!r}); unpack it again") from error


def _categories(train: FileRef | None, where: str) -> frozenset[str] | None:
    """The categories of a training split."""
    if train is None:
        return None
    videos = _videos(train, where).values()
    try:
        return frozenset(each["category"] for video in videos for each in video["objects"].values())
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: objects without a category ({error!r}); unpack it again") from error


def _objects(video: Any, where: str, categories: frozenset[str] | None) -> dict[int, ListedObject]:
    try:
        objects = {}
        for object_id, each in sorted(video["objects"].items(), key=lambda item: int(item[0])):
            category = str(each.get("category", ""))
            seen = each.get("seen")
            if seen is None and categories is not None and category:
                seen = category in categories
            objects[int(object_id)] = ListedObject(tuple(map(str, each["frames"])), category, seen)
        return objects
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where}: not objects with their frames ({error!r}); unpack it again") from error


def _of_folders(root: Path, with_images: bool) -> tuple[SequenceFiles, ...]:
    parts = sorted(root.glob("video-dev*")) if root.is_dir() else []
    parts = [part for part in parts if part.is_dir() or part.suffix == ".tar"]
    files: FileIndex = {}
    for part in parts or [root]:
        files = {**index_files(part), **files}
    annotated = _below("Annotations", files, (".png",))
    if not annotated:
        if with_images:
            raise InputError(f"{root}: no Annotations beside JPEGImages, which a folder of sequences needs")
        masks = {(".", name): frames for name, frames in frames_by_sequence(files).items()}
        return _named(masks, {}, root)
    images = _below("JPEGImages", files, IMAGE_SUFFIXES) if with_images else {}
    if with_images and (missing := [name for head, name in annotated if (head, name) not in images]):
        raise InputError(f"{root}: {missing[0]} has Annotations and no JPEGImages; put its frames there")
    return _named(annotated, images, root)


def _below(folder: str, files: FileIndex, suffixes: Collection[str]) -> dict[tuple[str, str], FileIndex]:
    """Frames by the path of a folder of this name and the sequence in it."""
    found: dict[tuple[str, str], FileIndex] = {}
    for name, frames in frames_by_sequence(files, suffixes).items():
        head, marker, sequence = f"/{name}/".partition(f"/{folder}/")
        if marker and sequence:
            found[head, sequence.rstrip("/")] = frames
    return found


def _named(
    masks: dict[tuple[str, str], FileIndex], images: dict[tuple[str, str], FileIndex], root: Path
) -> tuple[SequenceFiles, ...]:
    """Sequences by name: their path, less what is the same for all of them."""
    if not masks:
        return ()
    paths = {key: PurePosixPath(*(part.strip("/") for part in key)) for key in masks}
    same = posixpath.commonpath([path.parent for path in paths.values()])
    sequences = [
        SequenceFiles(
            root.resolve().stem if key[1] == "." else path.relative_to(same).as_posix(),
            masks[key],
            images.get(key, {}),
        )
        for key, path in paths.items()
    ]
    return tuple(sorted(sequences, key=lambda each: each.name))
