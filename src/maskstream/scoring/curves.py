"""J over time of the objects of a sequence, as an SVG picture (W3C SVG 1.1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from maskstream.masks.palette import PALETTE
from maskstream.scoring.score_folder import ObjectScore

WIDTH, HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 170, 10, 24  #: margins; the legend is at the right
LEGEND = 8  #: objects named in it
GREY = "#888"


def curves(objects: Sequence[ObjectScore], frames: Sequence[str], marked: Collection[str] = ()) -> str:
    """The picture, as text; a file of its own or part of a page.

    Args:
        objects: of one sequence.
        frames: names of its frames, in order.
        marked: frames to mark with a line.
    """
    places = {frame: index for index, frame in enumerate(frames)}
    steps = max(1, len(frames) - 1)

    def x(index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * index / steps

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="11" role="img">',
        f"<title>J over time: {escape(objects[0].sequence)}</title>",
    ]
    for value in (0.0, 0.5, 1.0):
        tone = "#bbb" if value == 0 else "#e4e4e4"
        at = y(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{tone}"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" fill="{GREY}">{value:g}</text>'
        )
    for index in sorted({0, len(frames) // 2, len(frames) - 1}):
        parts.append(
            f'<text x="{x(index):.1f}" y="{HEIGHT - 7}" text-anchor="middle" fill="{GREY}">'
            f"{escape(frames[index])}</text>"
        )
    for frame in marked:
        at = x(places[frame])
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{GREY}" '
            'stroke-dasharray="2 3"/>'
        )
    for row, score in enumerate(objects):
        colour = palette_colour(score.object_id)
        points = " ".join(
            f"{x(places[frame]):.1f},{y(j):.1f}" for frame, j in zip(score.frames, score.j, strict=True)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" '
            'stroke-linejoin="round"/>'
        )
        if row < LEGEND:
            line = TOP + 8 + 17 * row
            parts.append(
                f'<circle cx="{WIDTH - RIGHT + 18}" cy="{line}" r="4" fill="{colour}"/>'
                f'<text x="{WIDTH - RIGHT + 28}" y="{line + 4}" fill="#333">object {score.object_id}: '
                f"J {score.j.mean():.2f}, F {score.f.mean():.2f}</text>"
            )
    if len(objects) > LEGEND:
        line = TOP + 12 + 17 * LEGEND
        parts.append(
            f'<text x="{WIDTH - RIGHT + 14}" y="{line}" fill="{GREY}">and {len(objects) - LEGEND} more</text>'
        )
    return "\n".join([*parts, "</svg>"])


def palette_colour(object_id: int) -> str:
    """The palette's colour of an object, as pages write it."""
    red, green, blue = PALETTE[object_id % 256].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
