"""Where commands write, and what they must not write over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from maskstream.errors import InputError
from maskstream.video.write import VIDEO_SUFFIXES

SNAPSHOT = "snapshot.npz"
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6  #: colour types of PNGs


class Places:
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
    def owns(path: Path) -> bool:
        """Whether a file in a folder is of the kind that runs put there, and so may be replaced."""
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
            resume: an interrupted run may be gone on with; what it was allowed to replace it still is.

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
                raise InputError(f"{path}: exists; give --overwrite to replace it")
        for folder in self.folders:
            if folder.exists():
                self._check_folder(folder, overwrite)
        if self.part.exists() and not (resume or overwrite):
            raise InputError(
                f"{self.part}: an interrupted run is here; "
                "give --resume to go on, or --overwrite to begin again"
            )

    def remove_old(self) -> None:
        """Remove what an earlier run left in the folders."""
        for folder in self.folders:
            if folder.exists():
                for path in folder.iterdir():
                    if self.owns(path):
                        path.unlink()

    def _check_place(self, path: Path) -> None:
        is_folder = path in self.folders
        kind = "its parent folder" if is_folder else "its folder"
        if not path.parent.is_dir():
            raise InputError(f"{path}: {kind} does not exist; make it first")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise InputError(f"{path}: no permission to write into {path.parent}; name another place")
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
                f"{folder}: is not empty; give --overwrite to replace its {self.kind}, or name another folder"
            )
        if foreign := next((path for path in content if not self.owns(path)), None):
            raise InputError(
                f"{folder}: holds {foreign.name}, which is none of its {self.kind} and is not replaced; "
                "name another folder"
            )


@dataclass(frozen=True)
class SegmentOutputs(Places):
    """Where ``maskstream segment`` writes; None: not wanted.

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
    def named(cls, output: Path | None, overlay: str | None) -> SegmentOutputs:
        """What the endings of names ask for.

        Args:
            output: folder, ``.json`` or video.
            overlay: video; empty: named after ``output``; None: not wanted.

        Raises:
            InputError: nothing is asked for, or what can't be written.
        """
        if output is None and not overlay:
            if overlay is not None:
                raise InputError(
                    "--overlay needs a name, or -o to be named after; give --overlay overlay.mp4"
                )
            raise InputError("nothing to write; give -o FOLDER, -o masks.json or --overlay overlay.mp4")
        if output is not None and output.name in ("", ".."):
            output = output.resolve()  # ``.`` and the like have no name to put things beside
        suffix = output.suffix.lower() if output is not None and not output.is_dir() else ""
        if suffix not in ("", ".json", *VIDEO_SUFFIXES):
            kinds = ", ".join((".json", *VIDEO_SUFFIXES))
            raise InputError(
                f"{output}: can't write {suffix} files; name a folder, or a file ending in {kinds}"
            )
        folder = output if suffix == "" else None
        rle = output if suffix == ".json" else None
        masks = output if suffix in VIDEO_SUFFIXES else None
        drawn = Path(overlay) if overlay else None
        if overlay == "" and output is not None:
            stem = output.name if folder is not None else output.stem
            drawn, masks = masks or output.with_name(f"{stem}-overlay.mp4"), None
        if drawn is not None and drawn.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(
                f"{drawn}: the overlay is a video; use a name ending in {', '.join(VIDEO_SUFFIXES)}"
            )
        if masks is not None and drawn is not None and masks.resolve() == drawn.resolve():
            raise InputError(f"{drawn}: is both -o and --overlay; give --overlay without a name, or another")
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
    def owns(path: Path) -> bool:
        """Whether a file is a palette PNG."""
        return png_colour_type(path) == PALETTE


@dataclass(frozen=True)
class ReplaceOutputs(Places):
    """Where ``maskstream replace`` writes.

    Attributes:
        picture: video, or folder that gets a PNG for each frame.
        matte: the same of the matte, in grey; None: not wanted.
    """

    kind: ClassVar[str] = "pictures"
    suffixes: ClassVar[tuple[str, ...]] = VIDEO_SUFFIXES

    picture: Path
    matte: Path | None = None

    @classmethod
    def named(cls, output: Path | None, matte: Path | None) -> ReplaceOutputs:
        """What the endings of names ask for.

        Raises:
            InputError: nothing is asked for, or what can't be written.
        """
        if output is None:
            raise InputError("nothing to write; give -o out.mp4 (or .mov, .webm, .mkv, or a folder for PNGs)")
        paths = [path.resolve() if path.name in ("", "..") else path for path in (output, matte) if path]
        for path in paths:
            if path.suffix and not path.is_dir() and path.suffix.lower() not in VIDEO_SUFFIXES:
                raise InputError(
                    f"{path}: can't write {path.suffix} files; name a folder for PNGs, or a file ending in "
                    f"{', '.join(VIDEO_SUFFIXES)}"
                )
        if len({path.resolve() for path in paths}) < len(paths):
            raise InputError(f"{paths[1]}: is both -o and --matte; name another")
        return cls(*paths)

    @property
    def folders(self) -> list[Path]:
        """Those without an ending."""
        return [path for path in self._named if not path.suffix or path.is_dir()]

    @property
    def files(self) -> list[Path]:
        """The videos."""
        return [path for path in self._named if path not in self.folders]

    @property
    def _named(self) -> list[Path]:
        return [self.picture, *([] if self.matte is None else [self.matte])]

    @staticmethod
    def owns(path: Path) -> bool:
        """Whether a file is a PNG as they are written here: of colours, with alpha or without, or grey."""
        return png_colour_type(path) in (GREY, RGB, RGBA)


def publish(finished: Path, folder: Path) -> None:
    """Move a finished folder's files to where they belong; may be called again if it was cut short."""
    if not folder.exists():
        os.rename(finished, folder)
    elif finished.exists():
        # A folder that exists may be a mount or a link: it stays, and only gets the files.
        for path in sorted(finished.iterdir()):
            shutil.move(path, folder / path.name)


def png_colour_type(path: Path) -> int | None:
    """The colour type of a PNG (PNG specification, 11.2.2); None for what is no PNG."""
    if path.suffix != ".png" or not path.is_file():
        return None
    with path.open("rb") as file:
        header = file.read(26)
    return header[25] if len(header) == 26 and header.startswith(b"\x89PNG\r\n") else None
