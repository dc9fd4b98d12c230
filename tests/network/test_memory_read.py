"""The read that goes over the memory frame by frame says what the plain one says."""

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.network import memory_read  # noqa: E402
from maskstream.network.memory_read import read_frames, similarity  # noqa: E402
from maskstream.network.model import from_frames  # noqa: E402

pytestmark = pytest.mark.torch

SCALE = torch.tensor(9.0)


def memory(frames, objects, cells, *, shared=False, kind="dot", sharpness=3.0):
    """Query, key, shrinkage and value; the sharper, the more one memory cell has it all."""
    generator = torch.Generator().manual_seed(0)
    groups = 1 if shared else objects

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    query, key = draw(1, 16, cells), sharpness * draw(frames, groups, cells, 16)
    if kind == "cosine":
        query, key = (torch.nn.functional.normalize(x, dim=d) for x, d in ((query, 1), (key, -1)))
    shrinkage = draw(frames, groups, cells, 1).square() + 1 if kind == "l2" else None
    return query, key, shrinkage, draw(frames, objects, 6, cells)


def plain(query, key, shrinkage, value, kind):
    whole = from_frames(key, shrinkage, value)
    scores = similarity(query, whole.key, whole.shrinkage, kind, SCALE)
    return whole.value @ torch.softmax(scores, 1)


def double(parts):
    return tuple(None if x is None else x.double() for x in parts)


@pytest.mark.parametrize("kind", ["dot", "l2", "cosine"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("frames", [1, 7])
def test_it_equals_the_plain_read(kind, shared, frames) -> None:
    parts = memory(frames, 3, 40, shared=shared, kind=kind)
    exact = plain(*double(parts), kind)  # type: ignore[call-arg]
    torch.testing.assert_close(read_frames(*double(parts), kind, SCALE), exact, rtol=0, atol=1e-12)  # type: ignore[call-arg]
    found, usual = read_frames(*parts, kind, SCALE), plain(*parts, kind)  # type: ignore[call-arg]
    assert (found - exact).abs().max() < 1e-6 + 2 * (usual - exact).abs().max()


@pytest.mark.parametrize(("frames", "objects", "cells"), [(1, 1, 1), (2, 10, 5), (3, 1, 200), (20, 2, 63)])
@pytest.mark.parametrize("queries", [1, 7, 64])
def test_sizes_and_parts_change_nothing(
    frames, objects, cells, queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_read, "SCORE_BYTES", 0)
    monkeypatch.setattr(memory_read, "LEAST_QUERIES", queries)
    parts = double(memory(frames, objects, cells))
    torch.testing.assert_close(read_frames(*parts, "dot", SCALE), plain(*parts, "dot"), rtol=0, atol=1e-12)  # type: ignore[call-arg]


@pytest.mark.parametrize("sharpness", [1e-3, 300.0])
def test_flat_and_very_sharp_affinities_are_read_as_well(sharpness) -> None:
    parts = memory(5, 2, 30, sharpness=sharpness)
    exact = plain(*double(parts), "dot")  # type: ignore[call-arg]
    assert exact.isfinite().all()
    torch.testing.assert_close(read_frames(*double(parts), "dot", SCALE), exact, rtol=0, atol=1e-11)  # type: ignore[call-arg]
    torch.testing.assert_close(read_frames(*parts, "dot", SCALE).double(), exact, rtol=0, atol=1e-3)  # type: ignore[call-arg]


def test_memory_in_half_precision_is_read_in_single() -> None:
    query, key, _, value = memory(4, 3, 40, sharpness=1.0)
    found = read_frames(query, key.half(), None, value.half(), "dot", SCALE)
    assert found.dtype == torch.float32
    rounded = plain(query, key.half().float(), None, value.half().float(), "dot")
    torch.testing.assert_close(found, rounded, rtol=0, atol=1e-5)
    difference = (found - plain(query, key, None, value, "dot")).abs().max()
    assert 1e-5 < difference < 5e-3


def test_the_affinity_as_a_whole_is_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_read, "SCORE_BYTES", 8 * 1000 * 4)
    monkeypatch.setattr(memory_read, "LEAST_QUERIES", 1)
    largest, softmax_of = [], memory_read.similarity

    def watched(*arguments):
        scores = softmax_of(*arguments)
        largest.append(scores.numel())
        return scores

    monkeypatch.setattr(memory_read, "similarity", watched)
    read_frames(*memory(6, 1, 1000), "dot", SCALE)  # type: ignore[call-arg]
    assert len(largest) == 6 * 1000 / 8
    assert max(largest) == 8 * 1000
