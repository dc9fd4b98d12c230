"""Mark any object in one frame of a video and get its mask in every frame, as the frames arrive."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskstream.background.compositor import CompositeConfig
    from maskstream.background.sources import open_background
    from maskstream.errors import InputError
    from maskstream.live.session import LiveOptions, LiveSession
    from maskstream.matte.config import KeyConfig, MatteConfig
    from maskstream.replacement.replacer import BackgroundReplacer, KeptObjects
    from maskstream.runtime.load import load_model
    from maskstream.streaming.ensemble import EnsembleSegmenter, Member
    from maskstream.streaming.memory import MemoryPolicy
    from maskstream.streaming.segmentation import Segmentation
    from maskstream.streaming.segmenter import VideoSegmenter
    from maskstream.video.probe import probe
    from maskstream.video.read import read_video
    from maskstream.video.write import VideoWriter

# Imported when first used, so that `import maskstream` and the command line start at once.
_HOMES = {
    "BackgroundReplacer": "maskstream.replacement.replacer",
    "CompositeConfig": "maskstream.background.compositor",
    "EnsembleSegmenter": "maskstream.streaming.ensemble",
    "InputError": "maskstream.errors",
    "KeptObjects": "maskstream.replacement.replacer",
    "KeyConfig": "maskstream.matte.config",
    "LiveOptions": "maskstream.live.session",
    "LiveSession": "maskstream.live.session",
    "MatteConfig": "maskstream.matte.config",
    "Member": "maskstream.streaming.ensemble",
    "MemoryPolicy": "maskstream.streaming.memory",
    "Segmentation": "maskstream.streaming.segmentation",
    "VideoSegmenter": "maskstream.streaming.segmenter",
    "VideoWriter": "maskstream.video.write",
    "load_model": "maskstream.runtime.load",
    "open_background": "maskstream.background.sources",
    "probe": "maskstream.video.probe",
    "read_video": "maskstream.video.read",
}

__all__ = [
    "BackgroundReplacer",
    "CompositeConfig",
    "EnsembleSegmenter",
    "InputError",
    "KeptObjects",
    "KeyConfig",
    "LiveOptions",
    "LiveSession",
    "MatteConfig",
    "Member",
    "MemoryPolicy",
    "Segmentation",
    "VideoSegmenter",
    "VideoWriter",
    "load_model",
    "open_background",
    "probe",
    "read_video",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
