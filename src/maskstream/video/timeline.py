"""Times that continue where those of a file start over: joined recordings, streams that jumped."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

_MAY_JUMP: Any = Flags.ts_discont.value
_BACK = Fraction(1, 10)  #: seconds by which sound may step back without starting again,
_AHEAD = Fraction(10)  #: and ahead without having jumped: more is no pause, as players see it


class Timeline:
    """The times of the packets of one file, shifted where they start again or jump.

    Some formats (transport streams, program streams) may do so, since they can be put together with ``cat``
    or cut anywhere. All streams are shifted alike, so that they stay in step. Whoever reads the file meets
    the same packets in the same order, and so the same times.

    Args:
        container: open, nothing read yet.

    Attributes:
        may_jump: whether the times of this kind of file may.
        jumps: how often they did.
    """

    def __init__(self, container: InputContainer) -> None:
        self.may_jump = bool(int(container.format.flags) & _MAY_JUMP)
        self.jumps = 0
        self._container = container
        self._shift = Fraction(0)
        self._next: dict[int, Fraction] = {}  # where each stream goes on, in shifted time
        self._latest: Fraction | None = None

    def packets(self, streams: list[Any]) -> Iterator[Packet[Any]]:
        """The packets of some streams, with times that go on."""
        if not self.may_jump:
            yield from self._container.demux(streams)
            return
        wanted = {stream.index for stream in streams}
        measured = [s for s in self._container.streams if s.type in ("audio", "video")]
        others = [s for s in streams if s.type not in ("audio", "video")]
        for packet in self._container.demux([*measured, *others]):
            if packet.size:
                self._place(packet)
            if packet.stream_index in wanted:
                yield packet

    def _place(self, packet: Packet[Any]) -> None:
        base = packet.time_base
        ticks = packet.dts if packet.dts is not None else packet.pts
        if ticks is None or not base:
            return
        tick = Fraction(int(base.numerator), int(base.denominator))
        if packet.stream.type in ("audio", "video"):
            length = (packet.duration or 0) * tick
            # No frame is shown while the one before it is; a little sound may be lost.
            back = length / 2 if packet.stream.type == "video" and length else _BACK
            self._measure(packet.stream_index, ticks * tick, length, back)
        if self._shift:
            shift = round(self._shift / tick)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift

    def _measure(self, index: int, time: Fraction, duration: Fraction, back: Fraction) -> None:
        """Look whether a stream's next packet is where it should be, and shift all if it isn't."""
        expected = self._next.get(index)
        placed = time + self._shift
        if expected is not None and not expected - back <= placed <= expected + _AHEAD:
            self.jumps += 1
            self._shift += expected - placed
            placed = expected
        elif expected is None and self._latest is not None and abs(placed - self._latest) > _AHEAD:
            self.jumps += 1
            self._shift += self._latest - placed
            placed = self._latest
        self._next[index] = placed + duration
        self._latest = placed if self._latest is None else max(self._latest, placed)
