"""Runs sinks side by side: a thread and a one-slot mailbox for each, so that none waits for another."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from maskstream.errors import InputError, one_line
from maskstream.live.guard import Sealed
from maskstream.live.mailbox import Mailbox
from maskstream.live.sinks.sink import NotYet, Sink, Traits, picture_of

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

logger = logging.getLogger(__name__)

OK = "ok"  #: status of a sink that shows what it is given
_POLL = 0.1  # seconds between two looks at whether to stop
_HANGS = 2.0  # seconds in one call after which a sink is said to hang
_BACK_OFF = (1.0, 30.0)  # seconds until the first retry, and at most
_STEADY = 10.0  # seconds that a sink must have worked for its back-off to begin anew


class SinkRunner:
    """Gives each sink the newest frame. One that fails, hangs or is slow does not affect the others.

    Args:
        sinks: not opened.
        back_off: seconds until a sink that failed is opened again at first, and at most; they double.

    Raises:
        InputError: two of one name.
    """

    def __init__(self, sinks: Sequence[Sink], back_off: tuple[float, float] = _BACK_OFF) -> None:
        names = [sink.name for sink in sinks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{twice}: asked for twice; name each sink once")
        self._lanes = [_Lane(sink, back_off) for sink in sinks]

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None = None) -> None:
        """Begin to open all sinks, each in its own thread; does not wait for them.

        Args:
            size: (width, height) of all frames.
            fps: frames a second that are to be expected.
            audio: the sound that belongs to the pictures.
        """
        for lane in self._lanes:
            lane.start(size, fps, audio)

    def show(self, sealed: Sealed, time: float) -> None:
        """Give a frame to all sinks. Never waits.

        Args:
            sealed: what is shown.
            time: monotonic seconds of the output's clock.

        Raises:
            TypeError: it is no sealed frame.
        """
        picture_of(sealed)
        for lane in self._lanes:
            lane.put(sealed, time)

    @property
    def status(self) -> dict[str, str]:
        """Of each sink by name: ``"ok"``, or why it doesn't show anything, in one line."""
        return {lane.name: lane.status for lane in self._lanes}

    @property
    def dropped(self) -> dict[str, int]:
        """Of each sink by name: frames that it was too slow for, or that came while it didn't work."""
        return {lane.name: lane.dropped for lane in self._lanes}

    @property
    def given_up(self) -> dict[str, str]:
        """The sinks that failed and aren't tried again, with the reason."""
        return {lane.name: lane.status for lane in self._lanes if lane.gave_up}

    @property
    def places(self) -> dict[str, str]:
        """By name, where to find what sinks show, of those that can tell: the page's address, a device."""
        found = {lane.name: lane.where for lane in self._lanes}
        return {name: where for name, where in found.items() if where is not None}

    def close(self) -> None:
        """End all. Returns within a second (or ``Traits.patience``), whatever hangs."""
        for lane in self._lanes:
            lane.stop()
        start = monotonic()
        for lane in self._lanes:
            lane.join(start)


class _Lane:
    """One sink with its thread and its mailbox."""

    def __init__(self, sink: Sink, back_off: tuple[float, float]) -> None:
        self.name = sink.name
        self.gave_up = False
        self._sink = sink
        self._traits: Traits = getattr(sink, "traits", Traits())
        self._first_wait, self._longest_wait = back_off
        self._why = "opening"
        self._called_at: float | None = None  # when the call began in which the sink is now
        self._frames: Mailbox[tuple[Sealed, float]] = Mailbox()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def status(self) -> str:
        called_at = self._called_at
        if called_at is not None and (seconds := monotonic() - called_at) > _HANGS:
            return f"hangs for {seconds:.0f} s"
        return self._why

    @property
    def where(self) -> str | None:
        return getattr(self._sink, "where", None)

    @property
    def dropped(self) -> int:
        return self._frames.dropped

    def start(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        self._thread = Thread(
            target=self._run, args=(size, fps, audio), name=f"sink {self.name}", daemon=True
        )
        self._thread.start()

    def put(self, sealed: Sealed, time: float) -> None:
        self._frames.put((sealed, time))

    def stop(self) -> None:
        self._stop.set()
        self._frames.close()

    def join(self, start: float) -> None:
        if self._thread is None:
            self._close()
            return
        self._thread.join(max(0.0, start + self._traits.patience - monotonic()))
        if self._thread.is_alive():
            logger.warning("%s: doesn't end; it is left behind", self.name)

    def _run(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        wait = self._first_wait
        while not self._stop.is_set():
            begun = monotonic()
            try:
                self._called_at = begun
                self._sink.open(size, fps, audio)
                self._called_at = None
                self._show_all()
            except Exception as error:
                self._failed(error)
            finally:
                self._close()
            if self._stop.is_set() or self.gave_up:
                break
            if monotonic() - begun > _STEADY:
                wait = self._first_wait
            self._stop.wait(wait)
            wait = min(2 * wait, self._longest_wait)

    def _show_all(self) -> None:
        last: Sealed | None = None
        while not self._stop.is_set():
            item = self._frames.get(_POLL)
            if item is None:
                if last is None or not self._traits.repeats or self._stop.is_set():
                    continue
                item = (last, monotonic())
            last = item[0]
            self._called_at = monotonic()
            try:
                self._sink.show(*item)
                self._why = OK
            except NotYet as reason:
                self._why = str(reason)
            self._called_at = None

    def _failed(self, error: Exception) -> None:
        self._called_at = None
        why = one_line(error)
        self.gave_up = isinstance(error, InputError) or not self._traits.retries
        if why != self._why:
            logger.warning("%s: %s%s", self.name, why, "" if self.gave_up else "; it is tried again")
            if not isinstance(error, InputError | OSError):
                logger.debug("%s failed", self.name, exc_info=error)
        self._why = why
        if self.gave_up:
            self._frames.close()

    def _close(self) -> None:
        self._called_at = monotonic()
        try:
            self._sink.close()
        except Exception as error:
            why = one_line(error)
            logger.warning("%s: closing failed: %s", self.name, why)
            self._why = why
        self._called_at = None
