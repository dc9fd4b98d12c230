"""Train and score a list of configs under one budget, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch

from maskstream.ablation.experiments import Ablation
from maskstream.ablation.plan import DEFAULT_PLAN, AblationPlan
from maskstream.datasets.sources import DataFolders
from maskstream.training.packed import packed


def ablate(
    output: str | PathLike[str],
    *,
    data: DataFolders,
    plan: AblationPlan = DEFAULT_PLAN,
    steps: int | None = None,
    seeds: Sequence[int] = (0, 1),
    only: Sequence[str] = (),
    sequences: Sequence[str] = (),
    cache: str | PathLike[str] | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Path:
    """Train and score the parts of the network one by one. The same call continues where it stopped.

    Args:
        output: folder of all runs.
        data: where the data lies, with development sequences to score on.
        plan: the rows of the table.
        steps: length of each training; None: the plan's.
        seeds: each row is trained with each.
        only: names of rows to run; empty: all.
        sequences: names of development sequences to score on; empty: all.
        cache: folder to keep packed data in, for quick restarts.
        device: ``cpu``, ``cuda``, ``mps``; None: cuda where there is one, else cpu.
        threads: of the CPU.

    Returns:
        The page with the table, ``ablation.md``; ``ablation.json`` and ``ablation.svg`` are beside it.

    Raises:
        InputError: data or plan can't be used, or there is no such row or sequence.
        KeyboardInterrupt: everything that is done is saved.
    """
    if threads:
        torch.set_num_threads(threads)
    sources = data.open()
    kept = None if cache is None else Path(cache)
    ablation = Ablation(
        plan,
        Path(output),
        seeds=seeds,
        data=lambda: packed(sources, kept),
        data_key=sources.fingerprint(),
        videos=sources.development_named(sequences),
        steps=steps,
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )
    ablation.run(only)
    return Path(output) / "ablation.md"
