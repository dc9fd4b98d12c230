"""What a memory bank keeps, drops and reads."""

from __future__ import annotations

import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.runtime.protocol import MemoryEntry
from maskstream.streaming.memory import MemoryBank, MemoryPolicy, Reference

N, P, CK, CV = 2, 6, 3, 4


def entry(index: int, shared_key: bool = True) -> MemoryEntry:
    groups = 1 if shared_key else N
    value = np.full((N, CV, P), index, np.float32)
    value += np.arange(N, dtype=np.float32).reshape(N, 1, 1) / 10
    return MemoryEntry(
        np.full((groups, P, CK), index, np.float32), np.full((groups, P, 1), index, np.float32), value
    )


def reference() -> Reference:
    return Reference.of(np.zeros((4, 4, 3), np.uint8), np.zeros((N, 4, 4), np.float32), np.ones((N, 4, 4)))


def filled(policy: MemoryPolicy, frames: int, shared_key: bool = True) -> MemoryBank:
    bank = MemoryBank(policy, shared_key, lambda shape: np.full(shape, np.nan, np.float32))
    for index in range(frames):
        bank.remember(
            index, entry(index, shared_key), policy.keeps(index), reference() if index == 0 else None
        )
    return bank


def stored(bank: MemoryBank) -> list[float]:
    """Frame indices as they stand in the values that would be read."""
    memory = bank.read()
    assert (memory.key[:, 0, 0, 0] == memory.value[:, 0, 0, 0]).all()
    assert memory.shrinkage is not None
    assert (memory.shrinkage[:, 0, 0, 0] == memory.value[:, 0, 0, 0]).all()
    return sorted(memory.value[:, 0, 0, 0].tolist())


@pytest.mark.parametrize("seen", range(1, 23))
def test_stms_policy_reads_every_fifth_frame_and_the_previous(seen: int) -> None:
    bank = filled(MemoryPolicy.stm(), seen)
    expected = sorted({*range(0, seen, 5), seen - 1})
    assert list(bank.frames) == expected == stored(bank)


def test_the_bound_drops_the_oldest_kept_frame_but_no_reference() -> None:
    bank = filled(MemoryPolicy(every=2, max_frames=3), 14)
    assert list(bank.frames) == [0, 8, 10, 12, 13] == stored(bank)


def test_without_the_previous_frame_only_kept_ones_are_read() -> None:
    bank = filled(MemoryPolicy(every=4, max_frames=2, previous=False), 15)
    assert list(bank.frames) == [0, 8, 12] == stored(bank)


def test_references_beyond_their_bound_drop_the_oldest_but_the_first() -> None:
    policy = MemoryPolicy(every=100, max_frames=1, max_references=3)
    bank = filled(policy, 1)
    for index in (3, 5, 7, 9):
        bank.remember(index, entry(index), False, reference())
    assert list(bank.frames) == [0, 7, 9] == stored(bank)
    assert [index for index, _ in bank.references] == [0, 7, 9]


def test_a_reference_from_outside_leaves_the_previous_frame_in_place() -> None:
    bank = filled(MemoryPolicy(every=5, max_frames=1), 3)
    for _ in range(4):
        bank.add_reference(50, entry(50), reference())
    assert stored(bank) == [0, 2, 50, 50, 50, 50]


def test_a_bounded_bank_allocates_once() -> None:
    policy = MemoryPolicy(every=2, max_frames=3)
    bank = filled(policy, 2)
    before, storage = bank.nbytes, bank.read().value.base
    for index in range(2, 50):
        bank.remember(index, entry(index), policy.keeps(index))
    assert bank.nbytes == before
    assert bank.read().value.base is storage


def test_an_unbounded_bank_is_copied_ever_more_rarely() -> None:
    made: list[int] = []

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        made.append(shape[0])
        return np.empty(shape, np.float32)

    bank = MemoryBank(MemoryPolicy(every=1, max_frames=None), True, allocate)
    for index in range(1000):
        bank.remember(index, entry(index), True)
    assert len(bank.frames) == 1000
    assert len(made) <= 3 * 9  # key, value and shrinkage
    assert sum(made[::3]) < 4 * 1000  # all copies together are not much more than the memory itself
    assert made[-1] <= 2 * 1000


def test_a_read_is_a_contiguous_view() -> None:
    memory = filled(MemoryPolicy.stm(), 9).read()
    assert memory.value.base is not None
    assert memory.value.flags.c_contiguous
    assert memory.key.flags.c_contiguous


@pytest.mark.parametrize("shared_key", [True, False])
def test_some_objects_can_be_taken_into_a_bank_of_their_own(shared_key: bool) -> None:
    bank = filled(MemoryPolicy(every=2, max_frames=2), 8, shared_key)
    part = bank.select([1])
    assert part.frames == bank.frames
    np.testing.assert_array_equal(part.read().value, bank.read().value[:, 1:])
    assert part.read().key.shape[1] == 1
    assert part.references[0][1].masks.shape[0] == 1
    assert part.nbytes < bank.nbytes
    part.remember(8, entry(80)._replace(value=np.full((1, CV, P), 80, np.float32)), True)
    assert 80 not in bank.read().value


@pytest.mark.parametrize("fields", [{"every": 0}, {"max_frames": -1}, {"max_references": 1}])
def test_impossible_policies_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(fields))):
        MemoryPolicy(**fields)


def test_no_frame_is_kept_where_none_may_be() -> None:
    assert filled(MemoryPolicy(max_frames=0), 12).frames == (0, 11)
