"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")
PLAIN_SECONDS = 10.0  #: between two plain lines


def say(text: str, quiet: bool) -> None:
    """A line for the user, on standard error; nothing when quiet."""
    if not quiet:
        print(text, file=sys.stderr)


def progress(
    items: Iterable[T], label: str, total: int | None, *, done: int = 0, quiet: bool = False
) -> Generator[T, None, None]:
    """Hand on the items while showing how many there were, the rate, and the time that is left.

    Close it (``contextlib.closing``) where the loop may be left early: the bar gives the terminal back then.

    Args:
        items: the work.
        label: what it is called.
        total: how many items there are in all, those ``done`` included; None if not known.
        done: how many were done before, in an interrupted run.
        quiet: show nothing.
    """
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, label, total, done)
    else:
        yield from _lines(items, label, total, done)


def _bar(items: Iterable[T], label: str, total: int | None, done: int) -> Generator[T, None, None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    start = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total, completed=done, rate="")
        for count, item in enumerate(items, 1):
            yield item
            rate = count / max(time.monotonic() - start, 1e-6)
            bar.update(task, advance=1, rate=f"{rate:.1f}/s")
        # The total may have been an estimate.
        bar.update(task, total=bar.tasks[0].completed)


def _lines(items: Iterable[T], label: str, total: int | None, done: int) -> Generator[T, None, None]:
    start = last = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            last, rate = now, count / (now - start)
            text = f"{label}: {done + count}{f'/{total}' if total else ''}, {rate:.1f}/s"
            if total:
                text += f", {timedelta(seconds=round(max(0, total - done - count) / rate))} left"
            print(text, file=sys.stderr)
