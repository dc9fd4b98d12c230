"""Rendered clips in a folder, in the layout that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from maskstream.errors import InputError
from maskstream.files import folder_written_beside, write_json
from maskstream.masks.palette import write_label_map
from maskstream.plain_data import from_plain, read_json
from maskstream.rendering.clips import RenderedClip, render_clip
from maskstream.rendering.config import RenderConfig
from maskstream.rendering.stage import bullet
from maskstream.rendering.surfaces import Photographs

SETTINGS = "render.json"
QUALITY = 85  #: of the frames' WebP, 0 to 100


@dataclass(frozen=True)
class _Settings:
    seed: int
    config: RenderConfig


class ClipFolder:
    """A folder of rendered clips, ``render-00000`` and on, in ``JPEGImages`` and ``Annotations``.

    The same seed, config and photographs make the same clips, however often the work was interrupted.

    Args:
        folder: where they are, or will be.
        config: what they are like.
        seed: of everything random.

    Raises:
        InputError: the folder holds clips of another seed or config.
    """

    def __init__(self, folder: Path, config: RenderConfig, seed: int) -> None:
        self._folder, self._config, self._seed = folder, config, seed
        settings = folder / SETTINGS
        if settings.exists():
            content = read_json(settings, "name another folder")
            made_with = from_plain(_Settings, content, str(settings))
            if made_with != _Settings(seed, config):
                raise InputError(
                    f"{folder}: holds clips of another seed or config ({SETTINGS}); name another folder"
                )

    def missing(self, count: int) -> list[int]:
        """Numbers of the clips that are not there yet, of the first ``count``."""
        return [number for number in range(count) if not self._images(number).is_dir()]

    def render(self, numbers: list[int], photographs: Photographs) -> Iterator[int]:
        """Render clips and write them, one by one.

        Yields:
            The number of each when it is there.

        Raises:
            InputError: PyBullet is not installed, or no photograph can be decoded.
            OSError: the folder can't be written.
        """
        bullet()
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._folder / SETTINGS, asdict(_Settings(self._seed, self._config)))
        for number in numbers:
            self._write(number, render_clip(photographs, self._config, (self._seed, number)))
            yield number

    def _write(self, number: int, clip: RenderedClip) -> None:
        images = self._images(number)
        # The images come last: a sequence that has them is whole.
        with folder_written_beside(self._folder / "Annotations" / images.name) as part:
            for index, label_map in enumerate(clip.label_maps):
                write_label_map(part / f"{index:05d}.png", label_map)
        with folder_written_beside(images) as part:
            for index, frame in enumerate(clip.frames):
                Image.fromarray(frame).save(part / f"{index:05d}.webp", quality=QUALITY)

    def _images(self, number: int) -> Path:
        return self._folder / "JPEGImages" / f"render-{number:05d}"
