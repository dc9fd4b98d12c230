"""Objects of a stream: masks that a user gives, under any ids, and probabilities of all objects together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError, one_line
from maskstream.streaming.resize import resize_planes

MAX_ID = 2**31 - 1
_GIVE = "give a label map (H, W) of integers, a bool mask (H, W), or masks (N, H, W) with their ids"


@dataclass(frozen=True)
class GivenMasks:
    """Masks of some objects on one frame, checked.

    Attributes:
        ids: ascending.
        masks: ``(N, H, W)`` bool, or float32 in 0..1 that sum to 1 at most.
    """

    ids: tuple[int, ...]
    masks: NDArray[np.bool_] | Floats

    @property
    def claimed(self) -> Floats:
        """``(H, W)`` how much of each pixel is one of these objects, 0..1."""
        total: Floats = np.minimum(self.masks.sum(0, dtype=np.float32), 1)
        return total

    @property
    def label_map(self) -> NDArray[np.int32]:
        """``(H, W)`` ids: of the mask that has most of a pixel, 0 where none has half of it."""
        firm = np.where(self.masks.max(0) >= 0.5, self.masks.argmax(0) + 1, 0)
        return np.array([0, *self.ids], np.int32)[firm]

    def resized(self, height: int, width: int, part: tuple[slice, slice] = np.s_[:, :]) -> Floats:
        """``(N, height, width)`` soft masks: how much of each pixel's area is the object.

        Args:
            height: of the result.
            width: of the result.
            part: rows and columns of the frame that it shows.
        """
        return resize_planes(self.masks[:, *part].astype(np.float32), height, width)


def parse_masks(
    masks: ArrayLike, ids: Sequence[int] | int | None, height: int, width: int, known: Sequence[int] = ()
) -> GivenMasks:
    """Check the masks that a user gives for a frame.

    Args:
        masks: one of
            a label map ``(H, W)`` of integers, 0 = background;
            one mask ``(H, W)`` of bool;
            several masks ``(N, H, W)`` of bool, 0/1 integers, or floats in 0..1, which may overlap.
        ids: which objects. With a label map: only these (None: all in it). With one bool mask: its id
            (None: 1). With several masks: one id each.
        height: of the frame.
        width: of the frame.
        known: ids that exist already; their masks may be empty (the object is not in this frame).

    Raises:
        InputError: another size or type than these, an id below 1 or given twice, or an empty first mask.
    """
    try:
        array = np.asarray(masks)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors that need gradients
        raise InputError(f"masks that are no array ({one_line(error)}): {_GIVE}") from error
    if array.ndim not in (2, 3) or array.shape[-2:] != (height, width):
        raise InputError(
            f"masks of shape {array.shape} on a frame of {width}x{height} pixels (width x height): "
            f"give a label map of shape {(height, width)} or masks of shape {('N', height, width)}"
        )
    wanted = None if ids is None else _checked_ids(ids)
    if array.ndim == 2 and array.dtype == np.bool_:
        wanted, stack = wanted or [1], array[None]
    elif array.ndim == 2:
        wanted, stack = _split_label_map(array, wanted)
    elif wanted is None:
        raise InputError("masks of shape (N, H, W) need ids: one for each mask")
    else:
        stack = _checked_stack(array)
    if len(wanted) != len(stack):
        raise InputError(f"{len(stack)} masks but {len(wanted)} ids: give one id for each mask")
    for object_id, mask in zip(wanted, stack, strict=True):
        if object_id not in known and not mask.any():
            raise InputError(f"the first mask of object {object_id} is empty: mark at least one pixel")
    order = np.argsort(wanted)
    return GivenMasks(tuple(wanted[i] for i in order), _without_overlap(stack[order]))


def _checked_ids(ids: Sequence[int] | int) -> list[int]:
    checked: list[int] = []
    for object_id in np.atleast_1d(np.asarray(ids)):
        if not isinstance(object_id, np.integer) or not 1 <= object_id <= MAX_ID:
            raise InputError(f"object id {object_id} is not a positive integer (1 to {MAX_ID})")
        if object_id in checked:
            raise InputError(f"object id {object_id} is given twice")
        checked.append(int(object_id))
    return checked


def _split_label_map(
    label_map: NDArray[np.generic], wanted: list[int] | None
) -> tuple[list[int], NDArray[np.bool_]]:
    if not np.issubdtype(label_map.dtype, np.integer):
        raise InputError(
            f"a label map of {label_map.dtype}: give integers, or a soft mask as (1, H, W) with its id"
        )
    if wanted is None:
        wanted = _checked_ids(present[present != 0]) if (present := np.unique(label_map)).any() else []
        if wanted == [255]:
            raise InputError(
                "the label map holds 0 and 255 only, as binary masks do: give a bool mask (`masks > 0`), or "
                "ids=255 if 255 is the object's id"
            )
    if not wanted:
        raise InputError("the label map is all background: mark at least one pixel, or give no masks")
    return wanted, label_map[None] == np.array(wanted).reshape(-1, 1, 1)


def _checked_stack(masks: NDArray[np.generic]) -> NDArray[np.bool_] | Floats:
    if masks.dtype == np.bool_:
        return masks.astype(np.bool_)
    if not np.issubdtype(masks.dtype, np.integer) and not np.issubdtype(masks.dtype, np.floating):
        raise InputError(f"masks of {masks.dtype}: give bool, or floats in 0..1")
    stack = masks.astype(np.float32)
    if not ((stack >= 0) & (stack <= 1)).all():
        raise InputError(
            "masks hold values outside 0..1 (255 is no mask value): give bool, or floats in 0..1"
        )
    return stack.astype(np.bool_) if np.issubdtype(masks.dtype, np.integer) else stack


def _without_overlap(masks: NDArray[np.bool_] | Floats) -> NDArray[np.bool_] | Floats:
    """Where masks add up to more than one, each gets its share."""
    total = masks.sum(0, dtype=np.float32)
    if total.max(initial=0) <= 1:
        return masks
    shared: Floats = (masks / np.maximum(total, 1)).astype(np.float32)
    return shared


def sum_of_others(probabilities: Floats) -> Floats:
    """``(N, H, W)``: for each object the sum of all other objects' probabilities, clamped to 0..1.

    Sums of those before and those after it: taking an object from the sum of all would leave its rounding.
    """
    others = np.zeros_like(probabilities)
    np.cumsum(probabilities[:-1], axis=0, out=others[1:])
    if len(probabilities) > 1:
        others[:-1] += np.cumsum(probabilities[:0:-1], axis=0)[::-1]
    clipped: Floats = np.clip(others, 0, 1, out=others)
    return clipped


def let_given_win(predicted: Floats, positions: Sequence[int], given: Floats) -> Floats:
    """Probabilities where the given masks have what they claim, and the predicted objects share the rest.

    Args:
        predicted: ``(N, H, W)`` probabilities; what stands at the given positions does not matter.
        positions: which of the N objects the given masks are of.
        given: ``(len(positions), H, W)`` in 0..1.
    """
    result: Floats = predicted * (1 - np.minimum(given.sum(0, dtype=np.float32), 1))
    result[list(positions)] = given
    return result
