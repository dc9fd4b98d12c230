"""Where jobs write, what they must not write over, and how outputs get their names when all is done."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from maskstream.addresses import is_address, without_secrets
from maskstream.errors import InputError
from maskstream.files import moved
from maskstream.video.write import VIDEO_SUFFIXES

SNAPSHOT = "snapshot.npz"
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6  #: colour types of PNGs

#: Endings that people expect of files; any other ending is part of a folder's name.
_FILE_ENDING = re.compile(
    r".\.(jsonl?|csv|txt|zip|tar|np[yz]|mp4|m4v|mov|mkv|webm|avi|wmv|flv|mpe?g|m?2?ts|mxf|ogv|3gp|gif|a?png|jpe?g|bmp"
    r"|tiff?|webp|avif|heic|exr|tga|p[gp]m|psd|svg|pdf|mp3|wav|m3u8|mpd|h?26[45]|hevc|yuv|y4m)",
    re.IGNORECASE,
)

PathLike = str | os.PathLike[str]


class OutputPaths:
    """Folders and files that a run writes; what is not finished lies in a hidden folder beside the first."""

    kind: ClassVar[str]  #: what its folders hold, in words
    suffixes: ClassVar[tuple[str, ...]]  #: of the files that can be named

    @property
    def folders(self) -> list[Path]:
        """The folders among them."""
        raise NotImplementedError

    @property
    def files(self) -> list[Path]:
        """The single files among them."""
        raise NotImplementedError

    @staticmethod
    def may_replace(path: Path) -> bool:
        """Whether a file in an output folder is of the kind that runs put there."""
        raise NotImplementedError

    @property
    def all(self) -> list[Path]:
        """All of them, folders first."""
        return [*self.folders, *self.files]

    @property
    def part(self) -> Path:
        """Hidden folder, beside the first output, of a run that is not finished."""
        first = self.all[0]
        return first.with_name(f".{first.name}.unfinished")

    @property
    def is_resumable(self) -> bool:
        """Whether an interrupted run is there."""
        return (self.part / SNAPSHOT).is_file()

    def check(self, sources: Iterable[Path], overwrite: bool, resume: bool) -> None:
        """Refuse what can't be written, before any work.

        Args:
            sources: what is read, and never written over.
            overwrite: outputs that exist may be replaced.
            resume: an interrupted run may be resumed, with the permission to overwrite that it had.

        Raises:
            InputError: an output exists and may not be replaced, or its folder can't be written to.
        """
        for path in self.all:
            self._check_place(path)
        self._check_sources([source.resolve() for source in sources])
        if resume and self.is_resumable:
            return
        for path in self.files:
            if path.exists() and not overwrite:
                raise InputError(f"{path}: exists; give `overwrite=True` to replace it")
        for folder in self.folders:
            if folder.exists():
                self._check_folder(folder, overwrite)
        if self.is_resumable and not (resume or overwrite):
            raise InputError(
                f"{self.part}: an interrupted run is here; "
                "give `resume=True` to continue it, or `overwrite=True` to start over"
            )

    def remove_old(self) -> None:
        """Remove what an earlier run left in the folders."""
        for folder in self.folders:
            if folder.exists():
                for path in folder.iterdir():
                    if self.may_replace(path):
                        path.unlink()

    def _check_place(self, path: Path) -> None:
        if is_address(str(path)) and not path.exists():
            raise InputError(f"{without_secrets(str(path))}: is an address; name a file or a folder to write")
        is_folder = path in self.folders
        above = _nearest(path.parent)
        if not above.is_dir():
            raise InputError(f"{path}: {above} is a file; name another place")
        if not os.access(above, os.W_OK | os.X_OK):
            raise InputError(f"{path}: no permission to write into {above}; name another place")
        if is_folder:
            if path.exists() and not path.is_dir():
                kinds = ", ".join(self.suffixes)
                raise InputError(f"{path}: is a file; name a folder, or a file ending in {kinds}")
            if path.exists() and not os.access(path, os.W_OK | os.X_OK):
                raise InputError(f"{path}: no permission to write into it; name another folder")
        elif path.is_dir():
            raise InputError(f"{path}: is a folder; name a file")

    def _check_sources(self, sources: list[Path]) -> None:
        for path in self.all:
            target = path.resolve()
            for source in sources:
                if target == source:
                    raise InputError(f"{path}: is read as input; name another output")
                if path in self.folders and target in source.parents:
                    raise InputError(
                        f"{path}: holds {source.name}, which is read; name another output folder"
                    )

    def _check_folder(self, folder: Path, overwrite: bool) -> None:
        content = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if content and not overwrite:
            raise InputError(
                f"{folder}: is not empty; give `overwrite=True` to replace its {self.kind}, "
                "or name another folder"
            )
        if foreign := next((path for path in content if not self.may_replace(path)), None):
            raise InputError(
                f"{folder}: holds {foreign.name}, which is none of its {self.kind} and is not replaced; "
                "name another folder"
            )


@dataclass(frozen=True)
class SegmentOutputs(OutputPaths):
    """Where a segmentation goes; None: not wanted.

    Attributes:
        folder: gets a palette PNG for each frame.
        rle: JSON of run-length codes.
        masks: video of the label maps in their colours.
        overlay: video of the masks over the frames.
    """

    kind: ClassVar[str] = "label maps"
    suffixes: ClassVar[tuple[str, ...]] = (".json", *VIDEO_SUFFIXES)

    folder: Path | None = None
    rle: Path | None = None
    masks: Path | None = None
    overlay: Path | None = None

    @classmethod
    def of(cls, output: PathLike | None, overlay: PathLike | bool | None) -> SegmentOutputs:
        """What the endings of names ask for.

        Args:
            output: folder, ``.json`` or video.
            overlay: video; True: named after ``output``; None: not wanted.

        Raises:
            InputError: nothing is asked for, or what can't be written.
        """
        if output is None and (overlay is None or overlay is False):
            raise InputError(
                "nothing to write; give `output` (FOLDER, masks.json) or `overlay` (overlay.mp4)"
            )
        if output is None and overlay is True:
            raise InputError(
                "`overlay` needs a name, or `output` to be named after; give `overlay` overlay.mp4"
            )
        path = None if output is None else _named(output)
        suffix = "" if output is None or path is None or is_folder_name(output) else path.suffix.lower()
        if path is not None and suffix not in ("", *cls.suffixes):
            raise InputError(
                f"{path}: can't write {suffix} files; name a folder, or a file ending in "
                f"{', '.join(cls.suffixes)}"
            )
        folder = path if suffix == "" else None
        rle = path if suffix == ".json" else None
        masks = path if suffix in VIDEO_SUFFIXES else None
        if overlay is True and path is not None:
            stem = path.name if folder is not None else path.stem
            drawn: Path | None = masks or path.with_name(f"{stem}-overlay.mp4")
            masks = None
        else:
            drawn = None if overlay is None or isinstance(overlay, bool) else Path(overlay)
        _check_overlay(drawn, masks)
        return cls(folder, rle, masks, drawn)

    @property
    def folders(self) -> list[Path]:
        """The folder of label maps."""
        return [] if self.folder is None else [self.folder]

    @property
    def files(self) -> list[Path]:
        """The single files among them."""
        return [path for path in (self.rle, self.masks, self.overlay) if path is not None]

    @staticmethod
    def may_replace(path: Path) -> bool:
        """Whether a file is a palette PNG."""
        return png_colour_type(path) == PALETTE


@dataclass(frozen=True)
class ReplaceOutputs(OutputPaths):
    """Where replaced frames go.

    Attributes:
        picture: video, or folder that gets a PNG for each frame.
        matte: the same of the matte, in grey; None: not wanted.
        folder_names: those of them that name folders, which need not exist yet.
    """

    kind: ClassVar[str] = "pictures"
    suffixes: ClassVar[tuple[str, ...]] = VIDEO_SUFFIXES

    picture: Path
    matte: Path | None = None
    folder_names: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, output: PathLike | None, matte: PathLike | None = None) -> ReplaceOutputs:
        """What the endings of names ask for.

        Raises:
            InputError: nothing is asked for, or what can't be written.
        """
        if output is None:
            raise InputError(
                "nothing to write; give `output` out.mp4 (or .mov, .webm, .mkv, or a folder for PNGs)"
            )
        paths, folders = [], set()
        for name in (output, matte):
            if name is None:
                continue
            path = _named(name)
            paths.append(path)
            if is_folder_name(name):
                folders.add(path)
            elif path.suffix.lower() not in VIDEO_SUFFIXES:
                raise InputError(
                    f"{path}: can't write {path.suffix} files; name a folder for PNGs, or a file ending in "
                    f"{', '.join(VIDEO_SUFFIXES)}"
                )
        if len({path.resolve() for path in paths}) < len(paths):
            raise InputError(f"{paths[1]}: is both `output` and `matte_output`; name another")
        return cls(paths[0], paths[1] if len(paths) > 1 else None, frozenset(folders))

    @property
    def folders(self) -> list[Path]:
        """Those that are folders."""
        return [path for path in self._given if path in self.folder_names]

    @property
    def files(self) -> list[Path]:
        """The videos."""
        return [path for path in self._given if path not in self.folder_names]

    @property
    def _given(self) -> list[Path]:
        return [self.picture, *([] if self.matte is None else [self.matte])]

    @staticmethod
    def may_replace(path: Path) -> bool:
        """Whether a file is a PNG as they are written here: of colours, with alpha or without, or grey."""
        return png_colour_type(path) in (GREY, RGB, RGBA)


def is_folder_name(name: PathLike) -> bool:
    """Whether an output is meant as a folder: it is one, ends in a slash, or has no ending of a known file.

    A name like ``run_v1.2`` is a folder's; ``out.gif`` is a file's, though no GIF can be written.
    """
    text = os.fspath(name)
    if text.endswith(("/", os.sep)) or Path(text).is_dir():
        return True
    return _FILE_ENDING.fullmatch(f"x{Path(text).suffix}") is None


def publish(finished: Path, folder: Path) -> None:
    """Move a finished folder's files to where they belong; may be called again if it was cut short.

    A folder that exists may be a mount or a link: it stays, and only gets the files, each of them whole.
    """
    if finished.exists():
        moved(finished, folder)


def png_colour_type(path: Path) -> int | None:
    """The colour type of a PNG (PNG specification, 11.2.2); None for what is no PNG."""
    if path.suffix != ".png" or not path.is_file():
        return None
    with path.open("rb") as file:
        header = file.read(26)
    return header[25] if len(header) == 26 and header.startswith(b"\x89PNG\r\n") else None


def _named(name: PathLike) -> Path:
    """A path that has a name to put things beside, which ``.`` and the like have not."""
    path = Path(name)
    return path.resolve() if path.name in ("", "..") else path


def _check_overlay(drawn: Path | None, masks: Path | None) -> None:
    if drawn is not None and drawn.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{drawn}: the overlay is a video; use a name ending in {', '.join(VIDEO_SUFFIXES)}")
    if masks is not None and drawn is not None and masks.resolve() == drawn.resolve():
        raise InputError(
            f"{drawn}: is both `output` and `overlay`; give `overlay` without a name, or another"
        )


def _nearest(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
