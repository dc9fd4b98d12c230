"""Whether what the network marks is the subject: by the subject's own usual size, and by where it was.

A network that has lost its subject marks crumbs of the room, and one that the light has failed marks all of
it. So a result counts only where it goes on from the last one that counted.

- Parts that appear apart from the subject, and crumbs, are left out.
- What is left and much smaller than the subject usually is, isn't the subject: it is *away*.
- What grows or shrinks at a jump is *in doubt*, until it is again what it was, or is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import Any, NamedTuple

import cv2
import numpy as np

from maskstream.arrays import Floats, LabelMap
from maskstream.replacement.replacer import Found

_LINES = 90  # of the small masks that are compared
_NEAR = np.ones((3, 3), np.uint8)  # of these, parts as near as 2 pixels are one
_EDGE = np.ones((13, 13), np.uint8)  # and nothing farther than 6 pixels from a part belongs to it
_INSIDE = 0.5  # probability from which a pixel is marked
_CRUMB = 0.1  # share of the subject's usual size below which a part apart from the rest is nothing
_SECOND = 0.2  # of the largest part, below which another is nothing, where it is not known what was there
_GONE = 0.15  # of it, below which the subject is away,
_BACK = 0.3  # and from which on it may be back
_LARGER = 5.0  # of it, above which it can't be the subject
_GROWTH, _LOSS = 1.5, 0.5  # of the last size from result to result, above and below which it is a jump,
_AT_LEAST = 0.02  # of the picture
_JUMP_SECONDS = 0.35  # between the two results
_UP, _DOWN = 1.0, 8.0  # seconds in which the usual size follows larger and smaller ones
_SAME = 0.75  # overlap (IoU) with the last mask that counted from which on it is the same
_AGREES = 0.6  # likewise with a mask that confirms it
_TWICE = 2  # results in a row that have to say so
_SECOND_LOOK = 0.7  # seconds in which another look must have found the subject in a new light
_STEADY = 1.0  # seconds of results that go on from one another, about as large as before, that end a doubt
_LIKE = (0.6, 1.6)  # times the last size that is about as large


class Certainty(StrEnum):
    """What is known of the subject."""

    SEARCHED = "not found yet"
    SURE = "sure"
    AWAY = "away"
    DOUBT = "in doubt"


class Doubt(Enum):
    """Why the subject is in doubt."""

    JUMP = auto()  #: the result was of another size at a jump
    LIGHT = auto()  #: the light or the colours changed at a jump
    BLANK = auto()  #: a picture showed nothing


class Small(NamedTuple):
    """Where the subject is, on a small grid of the whole picture.

    Attributes:
        inside: ``(h, w)`` uint8, 0 or 1.
        area: part of the picture.
    """

    inside: LabelMap
    area: float

    @classmethod
    def of(cls, inside: LabelMap) -> Small:
        """From the grid."""
        return cls(inside, cv2.countNonZero(inside) / inside.size)

    @classmethod
    def of_label_map(cls, label_map: LabelMap) -> Small:
        """From a label map ``(H, W)``."""
        return cls.of(_shrunk((label_map > 0).astype(np.float32), _grid(*label_map.shape[:2])))

    def overlap(self, other: Small) -> float:
        """The IoU of both."""
        both = cv2.countNonZero(self.inside & other.inside)
        return both / max(1, cv2.countNonZero(self.inside | other.inside))


class Judged(NamedTuple):
    """A result, and what it is worth.

    Attributes:
        found: what may be shown of it; None: nothing is known.
        certainty: of it.
    """

    found: Found | None
    certainty: Certainty


class Presence:
    """Judges results one after another. One for each subject; a chroma key without network needs none.

    Args:
        shape: height and width of the frames.
        has_second_look: whether something else than the network can tell where the subject is.

    Attributes:
        certainty: of the last result.
        usual: part of the picture that the subject usually covers; 0: not known.
        last: where it was in the last result that counted.
        doubted_at: time at which the doubt began.
        second_look: seconds that are waited for another look's word in a new light.
        is_usual_light: whether the brightness is about what it has been for long.
    """

    def __init__(self, shape: tuple[int, int], has_second_look: bool = False) -> None:
        self.second_look = _SECOND_LOOK if has_second_look else 0.0
        self.is_usual_light = True
        self.certainty = Certainty.SEARCHED
        self.usual = 0.0
        self.last: Small | None = None
        self.doubted_at = 0.0
        self._shape = shape
        self._at = 0.0
        self._expected: Small | None = None
        self._agreeing = 0
        self._why = Doubt.JUMP
        self._parts_at_first = 1
        self._before: Small | None = None  # the last result, in doubt
        self._steady_since = 0.0

    def begin(self, found: Found, time: float) -> Judged:
        """Take in what was found by a first mask, whose size is ``usual``."""
        kept, small = self._parts(found, None)
        if not self.could_be(small):
            return Judged(_nothing(found), Certainty.SEARCHED)
        count = cv2.connectedComponents(np.asarray(cv2.dilate(small.inside, _NEAR), np.uint8))[0]
        self._parts_at_first = max(1, count - 1)
        return self._counts(kept, small, time)

    def doubt(self, why: Doubt, time: float) -> None:
        """Something has happened after which no result counts until it is confirmed."""
        if self.certainty is not Certainty.DOUBT or why is Doubt.LIGHT:
            self.doubted_at, self._steady_since, self._agreeing, self._why = time, time, 0, why
            self._expected = self._before = None
        self.certainty = Certainty.DOUBT

    def expect(self, small: Small) -> None:
        """In doubt, another look has found the subject there: the next results count if they agree."""
        self._expected, self._agreeing = small, 0

    def judge(self, found: Found, time: float, came: Callable[[Small], bool]) -> Judged:
        """What a result is worth.

        Args:
            found: where the network says that the subject is.
            time: seconds at which the frame was captured.
            came: tells, while the subject is away, whether what is there now was not in the room before.
        """
        kept, small = self._parts(found, self.last if self.certainty is Certainty.SURE else None)
        if self.certainty is Certainty.SURE:
            if self._jumps(small, time):
                self.doubt(Doubt.JUMP, time)
            elif small.area < _GONE * self.usual:
                self.certainty, self._agreeing = Certainty.AWAY, 0
            else:
                return self._counts(kept, small, time)
        elif self._is_confirmed(small, time, came):
            self._agreeing += 1
            if self._agreeing >= _TWICE:
                return self._counts(kept, small, time)
        else:
            self._agreeing = 0
        return Judged(None if self.certainty is Certainty.DOUBT else _nothing(found), self.certainty)

    def could_be(self, small: Small) -> bool:
        """Whether something is as large as the subject usually is, about."""
        return _BACK * self.usual <= small.area <= _LARGER * self.usual

    def _is_confirmed(self, small: Small, time: float, came: Callable[[Small], bool]) -> bool:
        """Whether a result is believed although the ones before it were not."""
        before, self._before = self._before, small
        if not self.could_be(small):
            self._steady_since = time
            return False
        if self.certainty is Certainty.AWAY:
            return came(small)
        if self._expected is not None:
            agrees = small.overlap(self._expected) >= _AGREES
            self._expected = small if agrees else self._expected  # it moves
            return agrees
        if self.last is None or (self._why is Doubt.LIGHT and time - self.doubted_at < self.second_look):
            return False
        if small.overlap(self.last) >= _SAME:
            return True
        is_like = _LIKE[0] * self.last.area < small.area < _LIKE[1] * self.last.area
        if before is None or not is_like or small.overlap(before) < _AGREES:
            self._steady_since = time
        waits = {Doubt.BLANK: 0.0, Doubt.JUMP: _STEADY, Doubt.LIGHT: 3 * _STEADY}[self._why]
        return is_like and self.is_usual_light and time - self._steady_since >= waits

    def _counts(self, kept: Found, small: Small, time: float) -> Judged:
        weight = min(1.0, max(0.0, time - self._at) / (_UP if small.area > self.usual else _DOWN))
        self.usual += weight * (small.area - self.usual) if self.certainty is Certainty.SURE else 0.0
        self.certainty, self.last, self._at = Certainty.SURE, small, time
        self._expected, self._agreeing = None, 0
        return Judged(kept, Certainty.SURE)

    def _jumps(self, small: Small, time: float) -> bool:
        last = self.last.area if self.last is not None else small.area
        if time - self._at > _JUMP_SECONDS:
            return False
        return small.area > _GROWTH * last + _AT_LEAST or small.area < _LOSS * last - _AT_LEAST

    def _parts(self, found: Found, last: Small | None) -> tuple[Found, Small]:
        """A result without the parts that appear apart from the last one, and without crumbs."""
        grid = _grid(*self._shape)
        inside = self._on_grid(found, grid)
        count, parts = cv2.connectedComponents(np.asarray(cv2.dilate(inside, _NEAR), np.uint8))
        areas = np.bincount(parts[inside > 0], minlength=count)
        areas[0] = 0
        if not areas.any():
            return _nothing(found), Small.of(inside)
        keep = (areas >= _CRUMB * self.usual * inside.size) | (areas == areas.max())
        if last is None:
            keep &= areas >= _SECOND * areas.max()
        else:
            reached = np.bincount(parts[(inside & last.inside) > 0], minlength=count)
            # It may have moved more than its own width: of what there is, the largest then.
            keep &= reached > 0 if (reached[keep] > 0).any() else areas == areas.max()
            # Who has touched the subject in passing doesn't stay with it.
            keep &= reached >= np.sort(reached)[::-1][: self._parts_at_first].min()
        keep[0] = False
        stays = inside & keep[parts]
        return self._masked(found, cv2.dilate(stays, _EDGE), grid), Small.of(stays)

    def _on_grid(self, found: Found, grid: tuple[int, int]) -> LabelMap:
        assert found.probability is not None
        rows, columns = self._place(found, grid)
        size = rows.stop - rows.start, columns.stop - columns.start
        inside = np.zeros(grid, np.uint8)
        inside[rows, columns] = _shrunk(found.probability, size)
        return inside

    def _masked(self, found: Found, stays: Any, grid: tuple[int, int]) -> Found:
        assert found.probability is not None
        rows, columns = self._place(found, grid)
        size = found.probability.shape[1::-1]
        large = cv2.resize(stays[rows, columns], size, interpolation=cv2.INTER_NEAREST)
        return Found(found.probability * large, found.seen)

    def _place(self, found: Found, grid: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the grid that a result is of."""
        if found.seen is None:
            return slice(0, grid[0]), slice(0, grid[1])
        return _scaled(found.seen[0], self._shape[0], grid[0]), _scaled(
            found.seen[1], self._shape[1], grid[1]
        )


def _grid(height: int, width: int) -> tuple[int, int]:
    lines = min(_LINES, height)
    return lines, max(1, round(lines * width / height))


def _scaled(part: slice, old: int, new: int) -> slice:
    start = min(new - 1, round(part.start * new / old))
    return slice(start, max(start + 1, min(new, round(part.stop * new / old))))


def _shrunk(probability: Floats, size: tuple[int, int]) -> LabelMap:
    small = cv2.resize(probability, size[::-1], interpolation=cv2.INTER_AREA)
    return (small > _INSIDE).astype(np.uint8)


def _nothing(found: Found) -> Found:
    """A result in which the subject is nowhere."""
    assert found.probability is not None
    return Found(np.zeros_like(found.probability), found.seen)
