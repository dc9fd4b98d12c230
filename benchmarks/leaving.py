"""Whether anything of the room is seen when people leave it: clips of real people in photographed rooms.

    python benchmarks/leaving.py --data "$MASKSTREAM_DATA"
    python benchmarks/leaving.py --data "$MASKSTREAM_DATA" --clips 4 --pictures folder

Selfies with true alpha that no network of ours was trained on (every second one of ``matte*``) are put into
photographs of places (``backgrounds*``), with a sensor's noise and the exposure that a camera corrects. Each
person sits and moves, walks out, is away, and comes back. The parts of ``maskstream live`` work on the clips
frame by frame, at the clip's own time, so that figures don't depend on the machine.

Counted are clips in which the slate does not come within two seconds of the subject's leaving or does not
stay, and in which the subject is not found again within two seconds; and frames in which some of the room is
seen apart from the person: in pieces that don't touch them, or while they are away. What
hangs on to a person, farther out than a matte's edge reaches, is the network's and listed beside it.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from maskstream.background.sources import open_background
from maskstream.live.capture import Captured, Health
from maskstream.live.finder import Finder
from maskstream.live.first_masks import DetectedSubject
from maskstream.live.guard import GuardConfig, Sealed
from maskstream.live.ladder import Ladder, Rung
from maskstream.live.output import Output
from maskstream.live.session import LiveOptions
from maskstream.live.sinks import SinkRunner
from maskstream.replacement.replacer import BackgroundReplacer
from maskstream.runtime.load import load_model
from maskstream.streaming.segmenter import VideoSegmenter

SIZE = (640, 360)  #: (width, height)
FPS = 15
BEHIND = "#0000ff"
BLUE = np.array((0, 0, 255), np.int16)
EDGE = 10  #: pixels around the true person that a matte may reach into
PIECE = 60  #: pixels of the room in one piece (0.026 %) from which on a frame counts as showing it
SITS, WALKS, AWAY, BACK = 2.0, 1.2, 5.0, 3.0  #: seconds
SLATE_WITHIN, FOUND_WITHIN = 2.0, 2.0  #: seconds


class Shot(NamedTuple):
    """A frame with what is true of it: ``(H, W, 3)`` uint8 RGB, and where the person is, ``(H, W)`` 0..1."""

    image: np.ndarray
    person: np.ndarray


@dataclass
class Outcome:
    """What came of a clip.

    Attributes:
        slate_after: seconds from the person's having left to the slate; None: it never came.
        slate_broken: frames without slate after it had come, the person still away.
        back_after: seconds from the person's being back, whole, to a composite; None: not found.
        leaks: by phase, frames that show some of the room apart from the person.
        hanging: frames that show some beside the person.
        worst: largest part of the picture that was room, apart from the person.
        missing: frames of a person, sitting, of whom less than two thirds were seen.
    """

    slate_after: float | None = None
    slate_broken: int = 0
    back_after: float | None = None
    leaks: dict[str, int] = field(default_factory=dict)
    hanging: int = 0
    worst: float = 0.0
    missing: int = 0


def pictures_of(data: Path, pattern: str, names: Callable[[str], bool]) -> dict[str, bytes]:
    """Files of a part of the data, a tar or a folder."""
    found: dict[str, bytes] = {}
    for part in sorted(data.glob(pattern)):
        if part.is_dir():
            found |= {str(p.relative_to(part)): p.read_bytes() for p in part.rglob("*") if names(p.name)}
        else:
            with tarfile.open(part) as tar:
                members = [m for m in tar.getmembers() if m.isfile() and names(m.name)]
                found |= {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    return dict(sorted(found.items()))


def people_of(data: Path) -> list[np.ndarray]:
    """``(h, w, 4)`` uint8: those that are held back, cut out."""
    files = pictures_of(data, "matte*", lambda name: name.endswith((".webp", ".png")))
    stems = sorted(name.removesuffix(".webp") for name in files if name.endswith(".webp"))
    cut = []
    for stem in stems[1::2]:
        image = Image.open(io.BytesIO(files[f"{stem}.webp"])).convert("RGB")
        alpha = Image.open(io.BytesIO(files[f"{stem}-alpha.png"])).convert("L")
        cut.append(np.dstack((np.asarray(image), np.asarray(alpha.resize(image.size)))))
    return cut


def places_of(data: Path) -> list[np.ndarray]:
    """``(H, W, 3)`` uint8: photographs without people, of the clips' size."""
    width, height = SIZE
    places = []
    for content in pictures_of(data, "backgrounds*", lambda name: name.endswith(".webp")).values():
        image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        scale = max(width / image.shape[1], height / image.shape[0])
        large = cv2.resize(image, None, fx=scale + 1e-3, fy=scale + 1e-3, interpolation=cv2.INTER_AREA)
        places.append(np.ascontiguousarray(large[:height, :width]))
    return places


def paste(room: np.ndarray, person: np.ndarray, left: float, sway: float) -> Shot:
    """The person in the room, with the left edge of the cut-out at a column."""
    height, width = room.shape[:2]
    matrix = np.float32([[1, 0, left], [0, 1, height - person.shape[0] + 4 + sway]])
    alpha = cv2.warpAffine(person[..., 3], matrix, (width, height)).astype(np.float32) / 255
    colours = cv2.warpAffine(person[..., :3], matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    mixed = room * (1 - alpha[..., None]) + colours * alpha[..., None]
    return Shot(mixed, alpha)


def clip(room: np.ndarray, person: np.ndarray, seed: int) -> Iterator[tuple[str, Shot]]:
    """Frames with the name of their phase: ``sits``, ``leaves``, ``away``, ``returns``, ``back``."""
    random = np.random.default_rng(seed)
    height, width = room.shape[:2]
    scale = random.uniform(0.75, 0.95) * height / person.shape[0]
    person = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    seat = (width - person.shape[1]) / 2 + random.uniform(-0.15, 0.15) * width
    side = random.choice([-1, 1])
    gone = float(width) + 5 if side > 0 else -person.shape[1] - 5.0
    phases = (("sits", SITS), ("leaves", WALKS), ("away", AWAY), ("returns", WALKS), ("back", BACK))
    exposure, number = 1.0, 0
    noise = random.normal(0, 2.5, (height + 64, width + 64, 3)).astype(np.float32)
    for phase, seconds in phases:
        for index in range(round(seconds * FPS)):
            part = index / (seconds * FPS)
            way = {"sits": 0.0, "leaves": part, "away": 1.0, "returns": 1 - part, "back": 0.0}[phase]
            way = way * way * (3 - 2 * way)
            left = seat + (gone - seat) * way + 6 * np.sin(3.3 * number / FPS)
            shot = paste(room, person, left, 3 * np.sin(5 * number / FPS))
            if phase == "away":
                shot = Shot(room.astype(np.float32), np.zeros_like(shot.person))
            # The camera brings what it sees to its mean, not quite and not at once.
            wanted = (120 / max(shot.image.mean(), 40)) ** 0.15
            exposure += 1.5 / FPS * (wanted - exposure)
            y, x = random.integers(0, 64, 2)
            noisy = shot.image * exposure + noise[y : y + height, x : x + width]
            yield phase, Shot(np.clip(noisy, 0, 255).astype(np.uint8), shot.person)
            number += 1


class Player:
    """The parts of a live stream, worked by hand at the clip's own time.

    Args:
        lines: that the network sees.
        model: its name.
    """

    def __init__(self, lines: int = 240, model: str = "live") -> None:
        segmenter = VideoSegmenter(load_model(model), size=lines)
        replacer = BackgroundReplacer(segmenter, open_background(BEHIND))
        slate = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
        self.finder = Finder(replacer, DetectedSubject(), Ladder(1e9, (Rung(lines),)), search_again=True)
        guard = GuardConfig(lost_seconds=LiveOptions(background=BEHIND).lost_seconds)
        self.output = Output(replacer, slate, SinkRunner([]), FPS, lambda: Health.LIVE, guard)
        self._number = 0

    def show(self, image: np.ndarray) -> Sealed:
        """What leaves for a frame."""
        frame = Captured(image, self._number / FPS, self._number)
        self._number += 1
        seen = self.finder.look(frame)
        assert seen is not None
        sealed = self.output.picture_of(seen)
        self.finder.settle(seen, 0.0)
        return sealed


def room_in(sealed: Sealed, person: np.ndarray) -> tuple[float, float]:
    """Parts of the picture that show the room in visible pieces: apart from the person, and beside."""
    if sealed.slate is not None:
        return 0.0, 0.0
    near = cv2.dilate((person > 0.02).astype(np.uint8), np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8))
    shown = (np.abs(sealed.image.astype(np.int16) - BLUE).max(2) > 48).astype(np.uint8)
    count, parts = cv2.connectedComponents(shown)
    touches = np.bincount(parts[near > 0], minlength=count) > 0
    apart, beside = 0, 0
    for part in range(1, count):
        area = int(((parts == part) & (near == 0)).sum())
        if area >= PIECE:
            beside, apart = (beside + area, apart) if touches[part] else (beside, apart + area)
    return apart / near.size, beside / near.size


def watch(player: Player, shots: Iterator[tuple[str, Shot]], pictures: Path | None, name: str) -> Outcome:
    """Play a clip, and see what comes of it."""
    outcome, since = Outcome(), {"away": 0, "back": 0}
    for number, (phase, shot) in enumerate(shots):
        sealed = player.show(shot.image)
        part, beside = room_in(sealed, shot.person)
        outcome.hanging += bool(beside)
        if part:
            outcome.leaks[phase] = outcome.leaks.get(phase, 0) + 1
            if pictures is not None and part > outcome.worst:
                both = np.hstack((shot.image, sealed.image))
                Image.fromarray(both).save(pictures / f"{name}-{phase}-{number:04d}.png")
            outcome.worst = max(outcome.worst, part)
        if phase in since:
            since[phase] += 1
        if phase == "away":
            if sealed.slate is not None and outcome.slate_after is None:
                outcome.slate_after = since[phase] / FPS
            elif sealed.slate is None and outcome.slate_after is not None:
                outcome.slate_broken += 1
        if phase == "back" and sealed.slate is None and outcome.back_after is None:
            outcome.back_after = since[phase] / FPS
        if (phase == "sits" and number > FPS) or (phase == "back" and since["back"] > FOUND_WITHIN * FPS):
            body = shot.person > 0.9
            seen = np.abs(sealed.image.astype(np.int16) - BLUE).max(2) > 48
            is_seen = sealed.slate is None and seen[body].mean() > 2 / 3
            outcome.missing += not is_seen
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="number of the first clip")
    parser.add_argument("--lines", type=int, default=240, help="that the network sees (240)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="save the worst frames, in and out")
    args = parser.parse_args()
    cv2.setNumThreads(2)
    people, places = people_of(args.data), places_of(args.data)
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    faults = 0
    print("| clip | slate after, s | broken | back after, s | room apart | worst, % | room beside | unseen |")
    print("| --: | --: | --: | --: | --- | --: | --: | --: |")
    for number in range(args.first, args.first + args.clips):
        room, person = places[number * 37 % len(places)], people[number % len(people)]
        outcome = watch(Player(args.lines), clip(room, person, number), args.pictures, f"{number:03d}")
        late, back = outcome.slate_after, outcome.back_after
        faults += late is None or late > SLATE_WITHIN or outcome.slate_broken > 0
        faults += back is None or back > FOUND_WITHIN
        faults += bool(outcome.leaks)
        leaks = ", ".join(f"{phase} {count}" for phase, count in outcome.leaks.items())
        print(
            f"| {number} | {'never' if late is None else f'{late:.2f}'} | {outcome.slate_broken} | "
            f"{'never' if back is None else f'{back:.2f}'} | {leaks} | {100 * outcome.worst:.2f} | "
            f"{outcome.hanging} | {outcome.missing} |",
            flush=True,
        )
    print(f"\nfaults: {faults} in {args.clips} clips")


if __name__ == "__main__":
    main()
