"""A page on the scores of a set: tables, J over time, the worst frames, and where the network looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.arrays import Frame
from maskstream.datasets.file_index import FileRef
from maskstream.datasets.readers import read_rgb
from maskstream.datasets.sequences import SequenceFiles, SequenceSet
from maskstream.errors import InputError
from maskstream.files import folder_written_beside
from maskstream.masks.draw import overlay
from maskstream.scoring.attention import read_attention
from maskstream.scoring.curves import curves, palette_colour
from maskstream.scoring.score_folder import ObjectScore, ResultFiles, Scores, read_map, read_result
from maskstream.scoring.score_tables import score_text

PAGE, MARKDOWN = "index.html", "report.md"
WORST = 3  #: frames of a sequence that are shown
OVERVIEW = 6  #: of the whole set
PICTURED = 30  #: sequences, the worst ones, that have pictures
WIDTH = 640  #: of a picture, at most
JPEG_QUALITY = 85
LEAST_SPAN = 0.05  #: of attention, that is drawn from dark to bright; less is hardly any difference
NO_ATTENTION = (
    "Attention maps of the spatial constraint are missing: they need a run of one network that has it, "
    "with --report and --runtime torch from its start."
)


@dataclass(frozen=True)
class ReportSource:
    """What a report is made from.

    Attributes:
        scores: the figures.
        truth: the sequences, with images where pictures are to show them.
        results: the label maps that were scored.
        facts: what was run, a line each: name -> value.
        baselines: other scores of the same objects, for comparison.
        attention: of a sequence's name, the file of its recorded attention maps, if there is one.
        milliseconds: median time of a step, by sequence.
    """

    scores: Scores
    truth: SequenceSet
    results: ResultFiles
    facts: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    attention: Callable[[str], Path] | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shown:
    """A frame that the page shows.

    Attributes:
        sequence: its sequence.
        frame: its name.
        j: mean J of the objects in it.
        worst: the object with the lowest J, and that J.
        picture: file name below the page.
        attention: likewise, or empty.
        span: least and most attention in it.
    """

    sequence: str
    frame: str
    j: float
    worst: tuple[int, float]
    picture: str
    attention: str = ""
    span: tuple[float, float] = (1.0, 1.0)

    @property
    def attention_caption(self) -> str:
        least, most = self.span
        return f"{self.frame}: the spatial constraint lets through {least:.2f} (dark) to {most:.2f} (bright)"

    @property
    def caption(self) -> str:
        object_id, j = self.worst
        return f"{self.sequence} {self.frame}: J {self.j:.2f}" + (
            f", object {object_id} {j:.2f}" if j < self.j - 0.005 else ""
        )


def write_report(folder: Path, source: ReportSource) -> Path:
    """Write ``index.html`` and ``report.md`` with their pictures; an older report there is replaced.

    Returns:
        The page.

    Raises:
        InputError: there is something else in that place.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise InputError(f"{folder}: is not empty, and no report; name another folder for it")
    with folder_written_beside(folder) as part:
        _write(part, source)
    return folder / PAGE


def _write(folder: Path, source: ReportSource) -> None:
    by_sequence: dict[str, list[ObjectScore]] = {}
    for score in source.scores.objects:
        by_sequence.setdefault(score.sequence, []).append(score)
    files = {sequence.name: sequence for sequence in source.truth.sequences}
    from_worst = sorted(by_sequence, key=lambda name: np.mean([score.jf_mean for score in by_sequence[name]]))
    pictured = set(from_worst[:PICTURED])
    (folder / "pictures").mkdir()
    (folder / "curves").mkdir()
    shown: dict[str, list[_Shown]] = {}
    drawn: dict[str, str] = {}
    only = len(files) == 1
    for number, (name, objects) in enumerate(by_sequence.items()):
        frames = _worst_frames(objects)
        drawn[name] = curves(objects, sorted(files[name].masks), [frame for frame, _, _ in frames])
        (folder / f"curves/{number:03d}.svg").write_text(drawn[name], encoding="utf-8")
        shown[name] = []
        if name in pictured:
            results, _ = source.results.of(name, only)
            for frame, j, worst in frames:
                file = f"pictures/{number:03d}-{quote(frame, safe='')}"
                span = _draw(folder / file, source, files[name], results[frame], frame)
                picture = _Shown(name, frame, j, worst, f"{file}.jpg")
                if span is not None:
                    picture = replace(picture, attention=f"{file}-attention.jpg", span=span)
                shown[name].append(picture)
    (folder / PAGE).write_text(_page(source, by_sequence, shown, drawn), encoding="utf-8")
    (folder / MARKDOWN).write_text(_markdown(source, by_sequence, shown), encoding="utf-8")


def _worst_frames(objects: Sequence[ObjectScore]) -> list[tuple[str, float, tuple[int, float]]]:
    """The frames with the lowest mean J, apart from each other, in order of time; with the worst object."""
    figures: dict[str, list[tuple[float, int]]] = {}
    for score in objects:
        for frame, j in zip(score.frames, score.j.tolist(), strict=True):
            figures.setdefault(frame, []).append((j, score.object_id))
    names = sorted(figures)
    means = np.array([np.mean([j for j, _ in figures[name]]) for name in names])
    apart = max(1, len(names) // 8)
    chosen: list[int] = []
    for index in np.argsort(means, kind="stable").tolist():
        if len(chosen) < WORST and all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    found = []
    for index in sorted(chosen):
        j, object_id = min(figures[names[index]])
        found.append((names[index], float(means[index]), (object_id, j)))
    return found


def _draw(
    path: Path, source: ReportSource, sequence: SequenceFiles, result: FileRef, frame: str
) -> tuple[float, float] | None:
    """Save the picture of a frame, and of the attention in it, if that was recorded; gives its extremes."""
    protocol = source.scores.protocol
    where = f"{sequence.name}/{frame}"
    truth = read_map(sequence.masks[frame], where, protocol)
    prediction = read_result(result, where, protocol)
    image = sequence.images.get(frame)
    rgb = np.full((*truth.shape, 3), 90, np.uint8) if image is None else read_rgb(image, where)
    if rgb.shape[:2] != truth.shape:
        rgb = np.asarray(cv2.resize(rgb, truth.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    _save(path.with_name(f"{path.name}.jpg"), outlined(overlay(rgb, prediction, 0.55, outline=False), truth))
    if source.attention is None:
        return None
    attention = read_attention(source.attention(sequence.name), frame, (truth.shape[0], truth.shape[1]))
    if attention is None:
        return None
    _save(path.with_name(f"{path.name}-attention.jpg"), outlined(heated(rgb, attention), truth))
    return float(np.nanmin(attention)), float(np.nanmax(attention))


def outlined(picture: Frame, label_map: NDArray[np.uint8]) -> Frame:
    """A picture with the edges of a label map's objects as white lines on black ones.

    Args:
        picture: ``(H, W, 3)`` RGB.
        label_map: ``(H, W)`` ids.
    """
    thick = max(1, round(picture.shape[1] / WIDTH))
    square = np.ones((2 * thick + 1, 2 * thick + 1), np.uint8)
    edges = cv2.morphologyEx(label_map, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    result = picture.copy()
    result[cv2.dilate(edges.view(np.uint8), square) > 0] = 0
    result[edges if thick == 1 else cv2.dilate(edges.view(np.uint8), square[1:-1, 1:-1]) > 0] = 255
    return result


def heated(picture: Frame, attention: NDArray[np.float32]) -> Frame:
    """A grey picture under a heat map, from dark where least passes to bright where most does.

    Args:
        picture: ``(H, W, 3)`` RGB.
        attention: ``(H, W)`` 0..1, NaN where the network did not look.
    """
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    least, most = float(np.nanmin(attention)), float(np.nanmax(attention))
    share = 1 - (most - attention) / max(most - least, LEAST_SPAN)
    levels = (255 * np.nan_to_num(share)).round().astype(np.uint8)
    heat = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    mixed = cv2.addWeighted(grey, 0.45, heat, 0.55, 0)
    return np.where(np.isnan(attention)[..., None], grey // 2, mixed).astype(np.uint8)


def _save(path: Path, picture: Frame) -> None:
    image = Image.fromarray(picture)
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=JPEG_QUALITY)


def _title(scores: Scores) -> str:
    overall = scores.overall()
    figure = f"G {overall['G']:.3f}" if "G" in overall else f"J&F {overall['J&F-Mean']:.3f}"
    return f"{scores.protocol} {scores.subset}: {figure}"


def _overview(shown: Mapping[str, Sequence[_Shown]]) -> list[_Shown]:
    """The worst frame of each of the sequences whose worst frames are worst."""
    of_each = [min(frames, key=lambda each: each.j) for frames in shown.values() if frames]
    return sorted(of_each, key=lambda each: each.j)[:OVERVIEW]


def _remarks(source: ReportSource, shown: Mapping[str, Sequence[_Shown]]) -> list[str]:
    remarks = list(source.scores.notes)
    if not any(each.attention for frames in shown.values() for each in frames):
        remarks.append(NO_ATTENTION)
    if any(not frames for frames in shown.values()):
        remarks.append(f"Pictures are of the {PICTURED} sequences with the lowest J&F.")
    if not any(sequence.images for sequence in source.truth.sequences):
        remarks.append("The pictures have no frames under them: none were given.")
    return remarks


def _markdown(
    source: ReportSource,
    by_sequence: Mapping[str, Sequence[ObjectScore]],
    shown: Mapping[str, Sequence[_Shown]],
) -> str:
    lines = [f"# {_title(source.scores)}", ""]
    lines += [f"- {name}: {value}" for name, value in source.facts.items()]
    lines += ["", score_text(source.scores, source.baselines), ""]
    lines += [f"*{remark}*\n" for remark in _remarks(source, shown)]
    lines += ["Pictures: the prediction in colour, the outline of the truth in white.", ""]
    for number, name in enumerate(by_sequence):
        lines += [f"## {name}", "", f"![J over time](curves/{number:03d}.svg)", ""]
        for each in shown[name]:
            lines.append(f"![{each.caption}]({each.picture})")
            if each.attention:
                lines.append(f"![{each.attention_caption}]({each.attention})")
            lines += ["", each.caption, ""]
    return "\n".join(lines).rstrip() + "\n"


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1b1b1f; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: 0 0 1rem; color: #555; }
dd { margin: 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .7rem; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap; }
th { color: #555; font-weight: 600; border-bottom: 2px solid #ccc; }
th:first-child, td:first-child { text-align: left; }
tr.mean td { font-weight: 600; border-top: 2px solid #ccc; }
td.bar { min-width: 7rem; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .45em; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .8rem; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 4px; }
figcaption { color: #555; font-size: .85rem; margin-top: .2rem; }
svg { max-width: 100%; height: auto; display: block; margin: .5rem 0 1rem; }
.remark { color: #7a5200; margin: .2rem 0; }
.scroll { overflow-x: auto; }
a { color: inherit; }
"""


def _page(
    source: ReportSource,
    by_sequence: Mapping[str, Sequence[ObjectScore]],
    shown: Mapping[str, Sequence[_Shown]],
    drawn: Mapping[str, str],
) -> str:
    title = escape(_title(source.scores))
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in source.facts.items())
    remarks = "".join(f'<p class="remark">{escape(text)}</p>' for text in _remarks(source, shown))
    worst = "".join(_figure(each, f"#s{_number(by_sequence, each.sequence)}") for each in _overview(shown))
    sections = "".join(
        f'<h2 id="s{number}">{escape(name)}</h2>\n{drawn[name]}\n'
        f'<div class="pictures">{"".join(map(_figure, shown[name]))}</div>\n'
        for number, name in enumerate(by_sequence)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<dl>{facts}</dl>
{remarks}
<div class="scroll">{_table(source, by_sequence)}</div>
<h2>Worst frames</h2>
<p>Of each sequence the one with the lowest J. Predictions in colour, the outline of the truth in white.</p>
<div class="pictures">{worst}</div>
{sections}</body>
</html>
"""


def _number(by_sequence: Mapping[str, object], name: str) -> int:
    return list(by_sequence).index(name)


def _figure(each: _Shown, link: str = "") -> str:
    picture = f'<img src="{each.picture}" alt="" loading="lazy">'
    if link:
        picture = f'<a href="{link}">{picture}</a>'
    caption = f"<figcaption>{escape(each.caption)}</figcaption>"
    figure = f"<figure>{picture}{caption}</figure>"
    if each.attention and not link:
        figure += (
            f'<figure><img src="{each.attention}" alt="" loading="lazy">'
            f"<figcaption>{escape(each.attention_caption)}</figcaption>"
            "</figure>"
        )
    return figure


def _table(source: ReportSource, by_sequence: Mapping[str, Sequence[ObjectScore]]) -> str:
    scores, overall = source.scores, source.scores.overall()
    head = ["sequence and object", "J&F", "J", "recall", "decay", "F", "recall", "decay"]
    head += [f"{name} J&F" for name in source.baselines] + (["ms/frame"] if source.milliseconds else [])
    rows = ["".join(f"<th>{escape(text)}</th>" for text in head)]
    others = [{each.name: each.jf_mean for each in other.objects} for other in source.baselines.values()]
    for number, (name, objects) in enumerate(by_sequence.items()):
        for score in objects:
            time = source.milliseconds.get(name)
            label = (
                f'<span class="dot" style="background:{palette_colour(score.object_id)}"></span>'
                f'<a href="#s{number}">{escape(score.name)}</a>'
                + (f" <small>{escape(score.category)}</small>" if score.category else "")
            )
            figures = [*score.j_statistics, *score.f_statistics, *(other[score.name] for other in others)]
            cells = [
                f"<td>{label}</td>",
                _bar(score.jf_mean),
                *(f"<td>{value:.3f}</td>" for value in figures),
            ]
            if source.milliseconds:
                cells.append(f"<td>{'' if time is None else f'{time:.0f}'}</td>")
            rows.append("".join(cells))
    names = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
    figures = [overall[name] for name in names]
    figures += [other.overall()["J&F-Mean"] for other in source.baselines.values()]
    cells = [f"<td>mean of {len(scores.objects)}</td>", _bar(overall["J&F-Mean"])]
    cells += [f"<td>{value:.3f}</td>" for value in figures]
    if source.milliseconds:
        cells.append(f"<td>{np.mean(list(source.milliseconds.values())):.0f}</td>")
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = f'<table>\n{body}\n<tr class="mean">{"".join(cells)}</tr>\n</table>'
    if "G" in overall:
        parts = {name: value for name, value in overall.items() if name == "G" or "een" in name}
        table += "<p>" + ", ".join(f"{escape(name)} {value:.3f}" for name, value in parts.items()) + "</p>"
    return table


def _bar(value: float) -> str:
    """A cell with a bar as long as its figure."""
    share = 100 * min(max(value, 0.0), 1.0)
    tint = "#bfe3c6" if value >= 0.8 else "#f5e3a8" if value >= 0.5 else "#f3c1b8"
    style = f"background:linear-gradient(90deg,{tint} {share:.1f}%,transparent {share:.1f}%)"
    return f'<td class="bar" style="{style}">{value:.3f}</td>'
