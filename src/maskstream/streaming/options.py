"""Which networks segment, and how: plain data that makes segmenters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from maskstream.adaptation.needs import check_installed
from maskstream.errors import InputError
from maskstream.runtime import load
from maskstream.runtime.protocol import Runtime
from maskstream.streaming.adapting import AdaptingSegmenter
from maskstream.streaming.ensemble import EnsembleSegmenter
from maskstream.streaming.segmentation import Segmenter
from maskstream.streaming.segmenter import VideoSegmenter


@dataclass(frozen=True)
class SegmenterOptions:
    """Which networks segment, and how. It can be pickled, and is plain data for JSON.

    Attributes:
        models: names of shipped networks, or exported folders; of several the mean counts.
        runtime: ``onnx`` or ``torch``.
        device: ``cpu``, ``cuda``, ...; None: the runtime's choice.
        threads: of the CPU; None: the runtime's choice.
        size: short side that the network sees, in lines, or ``native``; None: its default.
        window: show the network a window so many times as large as the objects; 0: none; None: its default.
        scales: run at these multiples of the size, and take the mean.
        flip: run on mirrored frames too, and take the mean.
        adapt: first adapt the network to the frames that are marked, for so many seconds; None: don't.
        adapt_save: file (``.safetensors``) for the adapted weights; None: they are not kept.

    Example:
        >>> SegmenterOptions(size=480, threads=2).models
        ('live',)
    """

    models: tuple[str, ...] = ("live",)
    runtime: Literal["onnx", "torch"] = "onnx"
    device: str | None = None
    threads: int | None = None
    size: int | Literal["native"] | None = None
    window: float | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    adapt: float | None = None
    adapt_save: str | None = None

    def load_models(self) -> list[Runtime]:
        """Load the networks.

        Raises:
            InputError: there is no such network or device, the runtime is not installed, or several are to be
                adapted.
        """
        self._check_models()
        return [
            load.load_model(name, runtime=self.runtime, threads=self.threads, device=self.device)
            for name in self.models
        ]

    def load(self, models: Sequence[Runtime] = ()) -> Callable[[], Segmenter]:
        """Load the networks once, and return what makes fresh segmenters of them, one for each video.

        Args:
            models: networks that are loaded already; none: they are loaded here.

        Raises:
            InputError: there is no such network, device, size or scale, or the runtime is not installed.
        """
        adapts = self.adapt is not None and not models  # those that are given have been adapted
        models = models or self.load_models()

        def make() -> Segmenter:
            if adapts:
                segmenter = AdaptingSegmenter(models[0], size=self.size, window=self.window)
                segmenter.seconds = self.adapt or segmenter.seconds
                return segmenter
            if len(models) == 1 and self.scales == (1,) and not self.flip:
                return VideoSegmenter(models[0], size=self.size, window=self.window)
            return EnsembleSegmenter.of(
                models, scales=self.scales, flip=self.flip, size=self.size, window=self.window
            )

        make()  # what is wrong is to be said now, not at the first video
        return make

    def identity(self) -> dict[str, Any]:
        """What results depend on, as plain data: a resumed run must have it in common."""
        self._check_models()
        files = [path for name in self.models for path in _files_of(load.locate(name))]
        free = ("models", "device", "threads", "adapt_save")  # results don't depend on these
        settings = {name: value for name, value in asdict(self).items() if name not in free}
        return {"version": version("maskstream"), **settings, "network": stamps(files)}

    def _check_models(self) -> None:
        if not self.models:
            raise InputError("`models`: is empty; name one network or more")
        if twice := [name for name in self.models if self.models.count(name) > 1]:
            raise InputError(f"`models`: {twice[0]} is given twice; give it once")
        if self.adapt is None and self.adapt_save is not None:
            raise InputError("`adapt_save`: nothing is adapted; give `adapt` too")
        if self.adapt is None:
            return
        if len(self.models) > 1 or self.scales != (1,) or self.flip:
            raise InputError(
                "`adapt`: is for one network at one scale; leave `scales`, `flip` and others out"
            )
        check_installed()


def stamps(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What tells whether files have changed: their resolved paths, sizes in bytes, times in nanoseconds."""
    return [(str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths]


def _files_of(network: Path) -> list[Path]:
    """What results depend on: the graphs and their description, or the one file of weights."""
    if not network.is_dir():
        return [network]
    return sorted(path for path in network.iterdir() if path.suffix in (".onnx", ".json", ".data"))
