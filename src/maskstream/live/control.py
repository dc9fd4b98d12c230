"""What may be changed while a stream runs, from the page, the preview's keys and other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from maskstream.errors import InputError, one_line
from maskstream.live.sinks.sink import Answer, Routes
from maskstream.live.status import Status


class Session(Protocol):
    """What obeys: a ``LiveSession``, whose members these are."""

    panic: bool

    @property
    def status(self) -> Status | None:
        """How it goes; None: it has not begun yet."""

    def offer_background(self, what: str) -> None:
        """Put another background behind, if it is one that others may choose."""

    def set_subject(self, what: str) -> None:
        """Follow another subject."""

    def stop(self) -> None:
        """End soon."""


class Control:
    """Commands for a session that may not have begun yet.

    Args:
        session: that obeys.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def routes(self) -> Routes:
        """By method and path: commands take and give JSON."""
        return {
            ("POST", "/background"): lambda body: self._obey(self._background, body),
            ("POST", "/subject"): lambda body: self._obey(self._subject, body),
            ("POST", "/panic"): lambda body: self._obey(self._panic, body),
            ("POST", "/quit"): lambda body: self._obey(self._quit, body or b"null"),
            ("GET", "/status.json"): self._status,
        }

    def key(self, pressed: str) -> None:
        """A key of the preview: space is panic, a looks for the subject again, q ends, as closing it does."""
        session = self._session
        if session.status is None:
            return
        if pressed == " ":
            session.panic = not session.panic
        elif pressed == "a":
            session.set_subject("auto")
        elif pressed in ("q", "closed"):
            session.stop()

    def _obey(self, command: Callable[[Any], None], body: bytes) -> Answer:
        if self._session.status is None:
            return _answer(503, {"error": "the stream has not begun yet"})
        try:
            command(json.loads(body))
        except InputError as error:
            return _answer(400, {"error": str(error)})
        except (ValueError, RecursionError):
            return _answer(400, {"error": "that is no JSON, or nested too deeply"})
        except OSError as error:
            return _answer(400, {"error": one_line(error)})
        return _answer(200, {"ok": True})

    def _background(self, what: Any) -> None:
        if not isinstance(what, str):
            raise InputError('background: give a name in JSON, such as "beach.jpg"')
        self._session.offer_background(what)

    def _subject(self, what: Any) -> None:
        if not isinstance(what, str):
            raise InputError('subject: give "auto" or "box:x,y,w,h" in JSON')
        self._session.set_subject(what)

    def _panic(self, wanted: Any) -> None:
        if wanted is not None and not isinstance(wanted, bool):
            raise InputError("panic: give true, false, or null for the other of the two")
        self._session.panic = (not self._session.panic) if wanted is None else wanted

    def _quit(self, _: Any) -> None:
        self._session.stop()

    def _status(self, _: bytes) -> Answer:
        status = self._session.status
        if status is None:
            return _answer(200, {"source": "opening"})
        return _answer(200, {**asdict(status), "line": status.line})


def _answer(status: int, content: Any) -> Answer:
    return status, "application/json", json.dumps(content).encode()
