"""The table of an ablation, its figures as JSON, and a picture of every seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from maskstream.ablation.plan import AblationPlan, RowResult
from maskstream.files import written_beside
from maskstream.tables import aligned_table

HEAD = ("row", "parameters", "training min", "ms/frame", "J", "F", "J&F", "seeds", "gain", "verdict")


def write_report(folder: Path, plan: AblationPlan, results: Sequence[RowResult]) -> None:
    """Write ``ablation.md``, ``ablation.json`` and ``ablation.svg``, if there are results.

    Args:
        folder: where to.
        plan: what was run.
        results: of ``compare``.
    """
    if not results:
        return
    texts = {
        "ablation.md": ablation_page(results),
        "ablation.json": json.dumps({"plan": plan.to_dict(), "rows": [_plain(r) for r in results]}, indent=1),
        "ablation.svg": ablation_picture(results),
    }
    for name, text in texts.items():
        with written_beside(folder / name) as part:
            part.write_text(text.rstrip() + "\n", encoding="utf-8")


def ablation_page(results: Sequence[RowResult]) -> str:
    """The table in Markdown, with what is to be known to read it."""
    scores = results[0].scores[0]
    training = results[0].setup.training
    length = f"{training.steps} steps" if training.steps else f"{training.minutes} minutes"
    frames: dict[str, int] = scores.settings["frames"]
    seeds = sorted({score.seed for result in results for score in result.scores})
    copies = ", ".join(f"{name} {value:.3f}" for name, value in scores.baselines.items())
    return "\n\n".join(
        [
            aligned_table(HEAD, [_cells(result) for result in results]),
            "Each row builds on the one before unless the plan says otherwise. Every network is trained from "
            f"scratch for {length}, with the same data; seeds {', '.join(map(str, seeds))}. Figures are "
            f"means over seeds; `seeds` is the range of J&F over them. Sequences scored on: {len(frames)}, "
            f"with {sum(frames.values())} frames, which no network was trained on; J&F of copies: {copies}.",
            "A part *helps* (*doesn't help*) if its row has the higher (no higher) J&F whichever seeds of "
            "both rows are compared, or with each seed for rows that share their weights; otherwise the gain "
            "is *within the spread*, and this table can't tell.",
        ]
    )


def _cells(result: RowResult) -> list[str]:
    setup, each = result.setup, [score.jf for score in result.scores]
    is_trained = setup.trained_as == setup.name
    return [
        setup.title,
        f"{result.scores[0].parameters / 1e6:.2f} M",
        f"{result.mean('training_minutes'):.1f}" if is_trained else "",
        f"{result.mean('milliseconds'):.0f}",
        *(f"{result.mean(name):.3f}" for name in ("j", "f", "jf")),
        f"{min(each):.3f}..{max(each):.3f}" if len(each) > 1 else str(len(each)),
        "" if result.gain is None else f"{result.gain:+.3f}",
        result.verdict,
    ]


def _plain(result: RowResult) -> dict[str, Any]:
    setup = result.setup
    return {
        "name": setup.name,
        "title": setup.title,
        "after": setup.after,
        "network": setup.network.to_dict(),
        "training": setup.training.to_dict(),
        "testing": asdict(setup.testing),
        **{name: result.mean(name) for name in ("j", "f", "jf", "milliseconds", "training_minutes")},
        "gain": result.gain,
        "gains": list(result.gains),
        "verdict": result.verdict,
        "scores": [asdict(score) for score in result.scores],
    }


WIDTH, LINE, LEFT, RIGHT, TOP = 720, 34, 200, 90, 40


def ablation_picture(results: Sequence[RowResult]) -> str:
    """J&F of every seed as a dot and of the mean as a bar, a row a line, as SVG."""
    values = [score.jf for result in results for score in result.scores]
    low, high = min(values), max(values)
    margin = max(0.01, 0.08 * (high - low))
    low, high = low - margin, high + margin
    height = TOP + LINE * len(results) + 30

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    bottom = TOP + LINE * len(results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="22">J&amp;F: every seed (dots), mean (bar) and gain</text>',
    ]
    for tick in _ticks(low, high):
        place = f"{x(tick):.1f}"
        parts.append(f'<path d="M{place} {TOP}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{place}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for index, result in enumerate(results):
        y = TOP + LINE * (index + 0.5)
        mean = x(result.mean("jf"))
        colour = {"helps": "#1a7f37", "doesn't help": "#b3261e"}.get(result.verdict, "#555")
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(result.setup.title)}</text>'
        )
        parts.append(f'<path d="M{mean:.1f} {y - 11}V{y + 11}" stroke="{colour}" stroke-width="3"/>')
        parts += [
            f'<circle cx="{x(score.jf):.1f}" cy="{y}" r="4" fill="{colour}" fill-opacity="0.6">'
            f"<title>seed {score.seed}: {score.jf:.3f}</title></circle>"
            for score in result.scores
        ]
        if result.gain is not None:
            text = f"{result.gain:+.3f}"
            parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4}" fill="{colour}">{text}</text>')
    return "\n".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two others, at most ten."""
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 10)
    first = int(low / step) + 1
    return [round(i * step, 3) for i in range(first, int(high / step) + 1)]
