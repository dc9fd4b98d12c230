"""Scores as the official tool's CSV files, as JSON, and as a table to read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from maskstream.files import written_beside
from maskstream.scoring.score_folder import Scores
from maskstream.tables import aligned_table


def write_csv(scores: Scores, folder: Path) -> list[Path]:
    """Write ``global_results-<set>.csv`` and ``per-sequence_results-<set>.csv`` as the official tool does.

    What is there from another time is replaced.

    Returns:
        The two files.
    """
    overall = scores.overall()
    whole = folder / f"global_results-{scores.subset}.csv"
    _write_rows(whole, list(overall), [[f"{value:.3f}" for value in overall.values()]])
    each = folder / f"per-sequence_results-{scores.subset}.csv"
    rows = [[score.name, f"{score.j.mean():.3f}", f"{score.f.mean():.3f}"] for score in scores.objects]
    _write_rows(each, ["Sequence", "J-Mean", "F-Mean"], rows)
    return [whole, each]


def write_json(scores: Scores, path: Path) -> None:
    """Write all figures, those of every frame too."""
    with written_beside(path) as part:
        part.write_text(json.dumps(as_plain_data(scores), indent=1) + "\n", encoding="utf-8")


def as_plain_data(scores: Scores) -> dict[str, Any]:
    """All figures: of the set, of each object, and in ``J`` and ``F`` those of its ``frames``."""
    return {
        "protocol": scores.protocol,
        "set": scores.subset,
        "global": scores.overall(),
        "notes": list(scores.notes),
        "objects": [
            {
                "sequence": each.sequence,
                "id": each.object_id,
                **({"category": each.category} if each.category else {}),
                **({"seen": each.seen} if each.seen is not None else {}),
                **{f"J-{name.title()}": value for name, value in each.j_statistics._asdict().items()},
                **{f"F-{name.title()}": value for name, value in each.f_statistics._asdict().items()},
                "frames": list(each.frames),
                "J": each.j.tolist(),
                "F": each.f.tolist(),
            }
            for each in scores.objects
        ],
    }


def score_text(scores: Scores, baselines: Mapping[str, Scores] = MappingProxyType({})) -> str:
    """Every object's figures and the means over objects, as a Markdown table that is good to read.

    Args:
        scores: the figures.
        baselines: other scores of the same objects; their J&F gets a column each.
    """
    head = ["object", "J&F", "J", "J recall", "J decay", "F", "F recall", "F decay"]
    head += [f"{name} J&F" for name in baselines]
    others = [{each.name: each.jf_mean for each in other.objects} for other in baselines.values()]
    rows = [
        [
            each.name,
            *_figures(each.jf_mean, *each.j_statistics, *each.f_statistics),
            *_figures(*(other[each.name] for other in others)),
        ]
        for each in scores.objects
    ]
    overall = scores.overall()
    names = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
    rows.append([f"mean of {len(scores.objects)}", *_figures(*(overall[name] for name in names))])
    rows[-1] += _figures(*(other.overall()["J&F-Mean"] for other in baselines.values()))
    text = aligned_table(head, rows)
    if "G" in overall:
        parts = {name: value for name, value in overall.items() if name == "G" or "een" in name}
        text += "\n\n" + aligned_table(list(parts), [_figures(*parts.values())])
    return text


def _figures(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _write_rows(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with written_beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
