"""What a segmenter remembers from frame to frame, as plain data and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from maskstream.streaming.groups import Group, Groups
from maskstream.streaming.memory import MemoryBank
from maskstream.streaming.seen import SeenFrame
from maskstream.streaming.window import Window

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StreamState:
    """What a segmenter remembers.

    Attributes:
        groups: the objects with their memory.
        last: the last frame with its result; None: there was none, or nothing was known in it.
        frame: (height, width) of the last frame; None: there was none.
        frame_index: of the last frame; -1: there was none.
    """

    groups: Groups
    last: SeenFrame | None
    frame: tuple[int, int] | None
    frame_index: int

    def as_plain(self) -> tuple[dict[str, Any], Arrays]:
        """It in plain data and arrays."""
        arrays: Arrays = {}
        groups = []
        for number, group in enumerate(self.groups):
            bank, bank_arrays = group.bank.state()
            groups.append({"ids": group.ids, "bank": bank})
            arrays |= {f"{number}/{name}": array for name, array in bank_arrays.items()}
        last = None
        if (seen := self.last) is not None:
            arrays |= {"last/frame": seen.frame, "last/probabilities": seen.probabilities}
            last = {
                "ids": seen.ids,
                "given": sorted(seen.given),
                "is_due": seen.is_due,
                "window": seen.window,
                "frame_index": seen.frame_index,
            }
        return {"groups": groups, "last": last, "frame": self.frame, "index": self.frame_index}, arrays

    @classmethod
    def of_plain(
        cls, state: dict[str, Any], arrays: Arrays, new_bank: Callable[[], MemoryBank]
    ) -> StreamState:
        """It again, from what ``as_plain`` gave.

        Args:
            state: the plain data.
            arrays: the arrays.
            new_bank: makes an empty memory bank.
        """
        groups = []
        for number, group in enumerate(state["groups"]):
            prefix = f"{number}/"
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            groups.append(Group(tuple(group["ids"]), new_bank().restored(group["bank"], own)))
        last = None
        if (saved := state["last"]) is not None:
            last = SeenFrame(
                saved["frame_index"],
                arrays["last/frame"],
                tuple(saved["ids"]),
                arrays["last/probabilities"],
                Window(*saved["window"]),
                given=frozenset(saved["given"]),
                is_due=saved["is_due"],
            )
        frame = None if state["frame"] is None else (state["frame"][0], state["frame"][1])
        return cls(Groups(groups), last, frame, state["index"])
