"""What may be changed while a stream runs, from the page, the preview's keys and other programs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from maskstream.background.sources import Background
from maskstream.errors import InputError
from maskstream.live.pipeline import FirstMask, LivePipeline

logger = logging.getLogger(__name__)

Answer = tuple[int, str, bytes]  #: HTTP status, content type, body
Route = Callable[[bytes], Answer]


class Control:
    """Commands for a pipeline that may not be there yet.

    Args:
        open_background: opens what the user names.
        find_subject: makes a first mask of what the user names: ``auto``, ``box:x,y,w,h``, ...
    """

    def __init__(
        self, open_background: Callable[[str], Background], find_subject: Callable[[str], FirstMask]
    ) -> None:
        self._open_background = open_background
        self._find_subject = find_subject
        self._pipeline: LivePipeline | None = None

    def attach(self, pipeline: LivePipeline) -> None:
        """From now on commands are obeyed."""
        self._pipeline = pipeline

    @property
    def routes(self) -> Mapping[tuple[str, str], Route]:
        """By method and path: commands take and give JSON."""
        return {
            ("POST", "/background"): lambda body: self._obey(self._background, body),
            ("POST", "/subject"): lambda body: self._obey(self._subject, body),
            ("POST", "/panic"): lambda body: self._obey(self._panic, body),
            ("POST", "/quit"): lambda body: self._obey(self._quit, body),
            ("GET", "/status.json"): self._status,
        }

    def key(self, pressed: str) -> None:
        """A key of the preview: space is panic, a looks for the subject anew, q ends, as closing it does."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        if pressed == " ":
            pipeline.panic = not pipeline.panic
        elif pressed == "a":
            self._subject(pipeline, "auto")
        elif pressed in ("q", "closed"):
            pipeline.stop()

    def _obey(self, command: Callable[[LivePipeline, Any], None], body: bytes) -> Answer:
        pipeline = self._pipeline
        if pipeline is None:
            return _answer(503, {"error": "the stream has not begun yet"})
        try:
            command(pipeline, json.loads(body or b"null"))
        except (ValueError, InputError) as error:
            return _answer(400, {"error": str(error)})
        return _answer(200, {"ok": True})

    def _background(self, pipeline: LivePipeline, what: Any) -> None:
        if not isinstance(what, str):
            raise InputError('background: give a name in JSON, such as "beach.jpg"')
        pipeline.set_background(self._open_background(what))

    def _subject(self, pipeline: LivePipeline, what: Any) -> None:
        if not isinstance(what, str):
            raise InputError('subject: give "auto" or "box:x,y,w,h" in JSON')
        pipeline.set_subject(self._find_subject(what))

    def _panic(self, pipeline: LivePipeline, wanted: Any) -> None:
        pipeline.panic = (not pipeline.panic) if wanted is None else bool(wanted)

    def _quit(self, pipeline: LivePipeline, _: Any) -> None:
        pipeline.stop()

    def _status(self, _: bytes) -> Answer:
        if self._pipeline is None:
            return _answer(200, {"source": "opening"})
        status = self._pipeline.status()
        return _answer(200, {**asdict(status), "line": status.line})


def _answer(status: int, content: Any) -> Answer:
    return status, "application/json", json.dumps(content).encode()
