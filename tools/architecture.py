"""Draw docs/images/architecture.svg: the rooms of the package on their floors, and who imports whom.

    python tools/architecture.py

Floors and what each room is for come from the table in CONTRIBUTING.md, arrows from the imports in the code.
An arrow is left out where a longer way says the same. A test holds the picture up to date.
"""

from __future__ import annotations

import ast
import re
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "src" / "maskstream"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

WIDTH, ROW, BOX_HEIGHT = 960, 96, 40  # pixels
TINTS = ["#eceff1", "#e3f2fd", "#e0f2f1", "#e8f5e9", "#f9fbe7", "#fff8e1", "#fff3e0", "#fbe9e7", "#fce4ec"]


def floors() -> dict[int, list[str]]:
    """Rooms by floor, as in CONTRIBUTING.md, the highest floor first."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text, re.MULTILINE)
    return {int(floor): re.findall(r"`(\w+)`", names) for floor, names in rows}


def imports() -> dict[str, set[str]]:
    """Which rooms each room imports."""
    rooms = {room for floor, names in floors().items() if floor for room in names}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for path in HOUSE.rglob("*.py"):
        room = path.relative_to(HOUSE).parts[0]
        if room not in rooms:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("maskstream."):
                found[room].add((node.module or "").split(".")[1])
    return {room: (used & rooms) - {room} for room, used in found.items()}


def arrows() -> list[tuple[str, str]]:
    """The imports that no longer way implies, sorted."""
    direct = imports()
    behind: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in behind:
            behind[room] = set().union(*(reach(used) | {used} for used in direct[room]))
        return behind[room]

    return sorted(
        (room, used)
        for room, all_used in direct.items()
        for used in all_used
        if not any(used in reach(other) for other in all_used - {used})
    )


def svg() -> str:
    """The picture."""
    plan = floors()
    top = max(plan)
    places: dict[str, tuple[float, float, float]] = {}
    boxes = []
    for floor, rooms in plan.items():
        y = (top - floor) * ROW + 16
        tint = TINTS[floor % len(TINTS)]
        boxes.append(
            f'<rect x="0" y="{y - 12}" width="{WIDTH}" height="{ROW - 8}" fill="{tint}"/>'
            f'<text x="14" y="{y + 33}" class="floor">{floor}</text>'
        )
        room_width = (WIDTH - 40) / len(rooms)
        for index, room in enumerate(rooms):
            places[room] = (40 + room_width * (index + 0.5), y + 8, min(room_width - 16, 150))
    lines = []
    for room, used in arrows():
        (x1, y1, _), (x2, y2, _) = places[room], places[used]
        start, end = y1 + BOX_HEIGHT, y2 - 5
        middle = (start + end) / 2
        points = [(x1, start), (x1, middle), (x2, middle), (x2, end)]
        first, *rest = (f"{x:.0f} {y:.0f}" for x, y in points)
        lines.append(f'<path class="arrow" d="M{first}C{" ".join(rest)}"/>')
    for room, (x, y, width) in places.items():
        left, high = x - width / 2, BOX_HEIGHT
        boxes.append(
            f'<rect x="{left:.0f}" y="{y:.0f}" width="{width:.0f}" height="{high}" class="room"/>'
            f'<text x="{x:.0f}" y="{y + 25:.0f}" class="name">{escape(room)}</text>'
        )
    tint_count = len(plan)
    tints, rest = boxes[:tint_count], boxes[tint_count:]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {(top + 1) * ROW + 8}">',
            "<style>",
            ".room{fill:#fff;stroke:#546e7a}",
            ".name{font:14px sans-serif;text-anchor:middle;fill:#263238}",
            ".floor{font:bold 15px sans-serif;fill:#78909c}",
            ".arrow{fill:none;stroke:#90a4ae;marker-end:url(#a)}",
            "</style>",
            '<defs><marker id="a" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#78909c"/></marker></defs>',
            *tints,
            *lines,
            *rest,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(arrows())} arrows")
