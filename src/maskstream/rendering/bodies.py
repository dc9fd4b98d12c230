"""What a scene's bodies are made of: rigid parts, parts that bend, joints, and things of all kinds.

A body is about as large as the real thing, in metres, stands on its origin, faces x, and has z up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskstream.arrays import Doubles
from maskstream.rendering.meshes import (
    Mesh,
    box,
    ellipsoid,
    extruded,
    lathed,
    mapped,
    merged,
    ring,
    sheet,
    tube,
)
from maskstream.rendering.motion import Motion, turn_about, turned, wandering

Pose = tuple[Doubles, Doubles]  #: ``(3, 3)`` rotation and ``(3,)`` offset
Generator = np.random.Generator


@dataclass(frozen=True)
class Part:
    """A piece of a body.

    Attributes:
        mesh: its shape.
        surface: number of what it is covered with, of the body's surfaces.
        bent: ``(n, 3)`` vertices at a time, for parts that bend; None: rigid.
    """

    mesh: Mesh
    surface: int = 0
    bent: Motion | None = None


@dataclass(frozen=True)
class Body:
    """A thing, a creature or a robot.

    Attributes:
        parts: its pieces; none, if ``robot`` describes them.
        poses: the pose of each part at a time, in the body's frame.
        surfaces: what they are covered with: ``skin``, ``hair``, ``plain`` or ``any``.
        size: its height or length, in metres.
        stands: it keeps upright, on the floor if there is one.
        speed: metres a second that it gets on by, in the direction of x.
        robot: a URDF file, instead of parts.
        joints: angles of the robot's joints at a time, repeated over them.
    """

    parts: tuple[Part, ...]
    poses: Callable[[float], list[Pose]]
    surfaces: tuple[str, ...] = ("any",)
    size: float = 1.0
    stands: bool = False
    speed: float = 0.0
    robot: str | None = None
    joints: Motion | None = None


@dataclass(frozen=True)
class Bone:
    """A link of a jointed body.

    Attributes:
        parent: number of the bone that it hangs on; -1: the root.
        offset: of its joint, in the parent's frame.
        parts: pieces that move with it, in its own frame.
    """

    parent: int
    offset: tuple[float, float, float]
    parts: tuple[Part, ...]


Gait = Callable[[float], tuple[Pose, Doubles]]  #: pose of the root, and ``(bones, 3)`` angles of the joints


def jointed(bones: list[Bone], gait: Gait) -> tuple[tuple[Part, ...], Callable[[float], list[Pose]]]:
    """Parts and poses of bones that a gait moves."""

    def poses(time: float) -> list[Pose]:
        root, angles = gait(time)
        found: list[Pose] = []
        for bone, bend in zip(bones, angles, strict=True):
            turn, place = found[bone.parent] if bone.parent >= 0 else root
            found.append((turn @ turned(bend), place + turn @ np.asarray(bone.offset)))
        return [pose for pose, bone in zip(found, bones, strict=True) for _ in bone.parts]

    return tuple(part for bone in bones for part in bone.parts), poses


def still(parts: tuple[Part, ...]) -> Callable[[float], list[Pose]]:
    """Poses of parts that stay where they are."""
    fixed = [(np.eye(3), np.zeros(3)) for _ in parts]
    return lambda time: fixed


def standing(mesh: Mesh) -> Mesh:
    """The mesh with its middle and lowest point at the origin."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    return mesh.moved([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])


def vessel(rng: Generator) -> Body:
    """A bottle, cup, vase, lamp or ball-like thing: something turned about its axis."""
    count = int(rng.integers(4, 9))
    heights = np.linspace(0, rng.uniform(0.5, 1.4), count)
    radii = np.clip(rng.uniform(0.12, 0.42, count) + np.cumsum(rng.normal(0, 0.06, count)), 0.05, 0.6)
    fine = np.linspace(0, heights[-1], 16)
    solid = lathed(fine, np.interp(fine, heights, radii), 20, rng.choice([1.0, 1.0, 0.7]))
    if rng.random() < 0.4:  # a handle
        grip = ring(rng.uniform(0.12, 0.25), rng.uniform(0.02, 0.04), 20)
        solid = merged([solid, grip.moved([radii.mean() + 0.05, 0, heights[-1] * 0.55])])
    return _rigid(rng, solid)


def block(rng: Generator) -> Body:
    """A box, book, phone, case or stone."""
    size = rng.uniform(0.15, 1.0, 3)
    return _rigid(rng, box(size, rng.choice([0.0, 0.1, 0.3, 0.8]), 7), map_share=0.3)


def blob(rng: Generator) -> Body:
    """A lump that wobbles."""
    mesh = mapped(ellipsoid(rng.uniform(0.3, 0.6, 3), 14), rng)
    waves = rng.normal(0, 3.0, (6, 3))
    heights = wandering(rng, rng.choice([0.04, 0.1, 0.16]), 6, 0.8)
    start = rng.uniform(0, 6, 6)
    lumps = (np.sin(mesh.vertices @ rng.normal(0, 3, (3, 5)) + rng.uniform(0, 6, 5)) * 0.07).sum(1)
    base = mesh.vertices * (1 + lumps[:, None])

    def bent(time: float) -> Doubles:
        swell = np.sin(base @ waves.T + start) @ heights(time)
        return np.asarray(base * (1 + swell[:, None]) + [0, 0, 0.5])

    part = Part(Mesh(base, mesh.triangles, mesh.uv), 0, bent)
    return Body((part,), still((part,)), size=1.0)


def swimmer(rng: Generator) -> Body:
    """A fish, snake, worm or rope: a tube along x that waves."""
    length, count = rng.uniform(0.8, 1.6), 22
    along = np.linspace(-0.5, 0.5, count)
    thin = rng.random() < 0.4
    shape = np.sqrt(np.clip(1 - (along * 2) ** 2, 0.02, 1))
    radii = rng.uniform(0.02, 0.06) * np.ones(count) if thin else shape * rng.uniform(0.1, 0.22) * length
    path = np.stack([along * length, 0 * along, 0 * along], 1)
    mesh = tube(path, radii, 12, 1.0 if thin else rng.uniform(0.35, 1.0))
    if not thin:
        fin = sheet(0.22 * length, 0.4 * length, 4, 6)
        mesh = merged([mesh, fin.moved([-0.55 * length, 0, 0]), fin.moved([0, 0, 0.16 * length], scale=0.6)])
    height, speed = rng.uniform(0.05, 0.3 if thin else 0.16) * length, rng.uniform(4, 14)
    wave, upward = rng.uniform(3, 9) / length, rng.random() < 0.4

    def bent(time: float) -> Doubles:
        at = mesh.vertices.copy()
        at[:, 2 if upward else 1] += (
            height * (0.6 - at[:, 0] / length) * np.sin(wave * at[:, 0] + speed * time)
        )
        at[:, 2] += 0.4
        return np.asarray(at)

    part = Part(mapped(mesh, rng) if rng.random() < 0.7 else mesh, 0, bent)
    return Body((part,), still((part,)), size=length, speed=rng.uniform(0, 2))


def cloth(rng: Generator) -> Body:
    """A flag on its pole, a towel or a banner in the wind."""
    width, height = rng.uniform(0.5, 1.2), rng.uniform(0.4, 1.1)
    mesh = sheet(width, height, 16, 12).moved([width / 2, 0, 0])
    waves, phase = rng.normal(0, 4, (3, 2)), rng.uniform(0, 6, 3)
    speed, strength = rng.uniform(4, 12), rng.uniform(0.06, 0.2)

    def bent(time: float) -> Doubles:
        at = mesh.vertices.copy()
        ripple = np.sin(at[:, [0, 2]] @ waves.T - speed * time + phase).sum(1)
        loose = at[:, 0] / width
        at[:, 1] += strength * loose * ripple
        at[:, 2] += 0.4 * strength * loose * np.sin(speed * 0.6 * time + at[:, 0] * 5)
        at[:, 2] += 1.4
        return np.asarray(at)

    flag = Part(mesh, 0, bent)
    if rng.random() < 0.4:
        return Body((flag,), still((flag,)), size=1.2)
    pole = Part(tube([[0, 0, 0], [0, 0, 1.4 + height / 2]], 0.025, 8), 1)
    return Body((flag, pole), still((flag, pole)), ("any", "plain"), 1.6, stands=True)


def car(rng: Generator) -> Body:
    """A car, van, bus or cart on turning wheels."""
    length, height, width = rng.uniform(3.2, 5.5), rng.uniform(1.2, 2.2), rng.uniform(1.5, 2.0)
    bonnet, boot, sill = rng.uniform(0.1, 0.35), rng.uniform(0.0, 0.25), 0.3
    waist = sill + (height - sill) * rng.uniform(0.4, 0.6)
    half = length / 2
    outline = [
        (half, sill), (half, waist * 0.9), (half - bonnet * length, waist),
        (half - (bonnet + 0.14) * length, height), (-half + (boot + 0.08) * length, height),
        (-half + boot * length, waist), (-half, waist * 0.95), (-half, sill),
    ]  # fmt: skip
    glass = [
        (half - (bonnet + 0.05) * length, waist + 0.05), (half - (bonnet + 0.16) * length, height - 0.12),
        (-half + (boot + 0.1) * length, height - 0.12), (-half + (boot + 0.03) * length, waist + 0.05),
    ]  # fmt: skip
    frame = (Part(extruded(outline, width), 0), Part(extruded(glass, width * 1.01, 0.02), 1))
    radius = rng.uniform(0.3, 0.42)
    wheel = (
        Part(tube([[0, -0.1, 0], [0, 0.1, 0]], radius, 18), 2),
        Part(box([radius, 0.22, radius], 0.2, 3), 3),
    )
    places = [(x * length * 0.31, y * (width / 2 - 0.05), radius) for x in (-1, 1) for y in (-1, 1)]
    bones = [Bone(-1, (0, 0, 0), frame), *(Bone(0, place, wheel) for place in places)]
    speed = rng.choice([0.0, 3.0, 8.0])
    lean, steer = wandering(rng, 0.02, 3, 0.6), rng.uniform(-0.4, 0.4)

    def gait(time: float) -> tuple[Pose, Doubles]:
        angles = np.zeros((5, 3))
        angles[1:, 1] = speed / radius * time
        angles[3:, 2] = steer
        return (turned(lean(time)), np.zeros(3)), angles

    parts, poses = jointed(bones, gait)
    return Body(parts, poses, ("any", "dark", "dark", "plain"), length, True, speed)


def wheel_with_spokes(radius: float, spokes: int = 8, thickness: float = 0.02) -> Mesh:
    """A wheel about y, its spokes thin tubes."""
    angles = np.arange(spokes) * np.pi / spokes
    arms = [np.array([np.cos(a), 0, np.sin(a)]) * radius for a in angles]
    return merged([ring(radius, thickness), *(tube([-arm, arm], thickness * 0.25, 4) for arm in arms)])


BIKE_SEAT, BIKE_GRIP, BIKE_CRANK = (-0.22, 0.0, 0.98), (0.48, 0.0, 1.05), (-0.02, 0.0, 0.32)
CRANK = 0.17  #: metres from the crank's axis to a pedal


def bicycle_bones(rng: Generator, surface: int, turning: float) -> list[Bone]:
    """A bicycle or motorcycle: frame, then both wheels; ``turning`` is the surface number of its seat."""
    heavy = rng.random() < 0.3
    thick = rng.uniform(0.05, 0.08) if heavy else rng.uniform(0.014, 0.025)
    back, front = np.array([-0.52, 0, 0.34]), np.array([0.56, 0, 0.34])
    seat, grip, crank = (np.array(place) for place in (BIKE_SEAT, BIKE_GRIP, BIKE_CRANK))
    head, across = np.array([0.42, 0, 0.85]), np.array([0, 0.25, 0])
    lines = [
        (back, crank),
        (crank, head),
        (back, seat * [1, 1, 0.9]),
        (crank, seat),
        (seat * [1, 1, 0.9], head),
    ]
    lines += [(front, head), (head, grip), (grip - across, grip + across)]
    tubes = [tube(np.array(line), thick, 6) for line in lines]
    if heavy:
        tubes.append(ellipsoid([0.32, 0.14, 0.16]).moved([0.1, 0, 0.78]))
        tubes.append(box([0.4, 0.22, 0.3], 0.4, 4).moved([0.05, 0, 0.42]))
    saddle = ellipsoid([0.15, 0.07, 0.04]).moved(seat)
    tyre = wheel_with_spokes(0.34, int(rng.integers(5, 12)), 0.05 if heavy else 0.018)
    wheels = [Bone(0, tuple(place), (Part(tyre, int(turning)),)) for place in (back, front)]
    return [Bone(-1, (0, 0, 0), (Part(merged(tubes), surface), Part(saddle, int(turning)))), *wheels]


def bicycle(rng: Generator) -> Body:
    """A bicycle alone."""
    speed = rng.choice([0.0, 2.0])

    def gait(time: float) -> tuple[Pose, Doubles]:
        angles = np.zeros((3, 3))
        angles[1:, 1] = speed / 0.34 * time
        return (np.eye(3), np.zeros(3)), angles

    parts, poses = jointed(bicycle_bones(rng, 0, 1), gait)
    return Body(parts, poses, ("any", "dark"), 1.5, True, float(speed))


def thin_thing(rng: Generator) -> Body:
    """A chair, ladder, racket, umbrella, kite, stand or a bundle of wires."""
    return _THIN[int(rng.integers(len(_THIN)))](rng)


def _chair(rng: Generator) -> Body:
    wide, thick, tall = rng.uniform(0.4, 0.6), rng.uniform(0.012, 0.03), rng.uniform(0.8, 1.1)
    half = wide / 2
    legs = [[[x, y, 0], [x * 0.9, y * 0.9, 0.45]] for x in (-half, half) for y in (-half, half)]
    legs += [[[-half, y, 0.45], [-half * 1.25, y, tall]] for y in np.linspace(-half, half, 4)]
    legs += [[[-half * 1.25, -half, tall], [-half * 1.25, half, tall]]]
    frame = merged(
        [*(tube(leg, thick, 6) for leg in legs), box([wide, wide, 0.04], 0.1, 4).moved([0, 0, 0.45])]
    )
    return _rigid(rng, frame, stands=True)


def _ladder(rng: Generator) -> Body:
    tall, wide, thick = rng.uniform(1.2, 2.2), rng.uniform(0.3, 0.5), rng.uniform(0.012, 0.03)
    rungs = [tube([[0, -wide / 2, z], [0, wide / 2, z]], thick, 6) for z in np.arange(0.2, tall, 0.28)]
    rails = [tube([[0, y, 0], [0, y, tall]], thick * 1.2, 6) for y in (-wide / 2, wide / 2)]
    return _rigid(rng, merged([*rungs, *rails]))


def racket(rng: Generator) -> Mesh:
    """A racket in x and z, its handle at the origin."""
    wide, tall, thick = rng.uniform(0.11, 0.16), rng.uniform(0.15, 0.2), 0.012
    oval = ring(1.0, 0.07, 24).moved([0, 0, 0.38 + tall], scale=[wide, wide, tall])
    across = np.linspace(-0.75, 0.75, 6)
    reach = np.sqrt(1 - across**2)
    middle = 0.38 + tall
    strings = [
        [[x * wide, 0, middle - r * tall], [x * wide, 0, middle + r * tall]]
        for x, r in zip(across, reach, strict=True)
    ]
    strings += [
        [[-r * wide, 0, middle + x * tall], [r * wide, 0, middle + x * tall]]
        for x, r in zip(across, reach, strict=True)
    ]
    return merged(
        [oval, tube([[0, 0, -0.08], [0, 0, 0.4]], thick * 1.3, 8), *(tube(s, 0.003, 4) for s in strings)]
    )


def _racket(rng: Generator) -> Body:
    return _rigid(rng, racket(rng).moved(scale=rng.uniform(1.5, 2.2)))


def umbrella(rng: Generator) -> Mesh:
    """An open umbrella, its handle at the origin."""
    wide, tall = rng.uniform(0.4, 0.65), rng.uniform(0.7, 0.9)
    radii = np.linspace(wide, 0.02, 7)
    roof = lathed(tall + 0.22 * (1 - (radii / wide) ** 2), radii, 8).two_sided()
    return merged([roof, tube([[0, 0, 0], [0, 0, tall + 0.25]], 0.012, 6)])


def _umbrella(rng: Generator) -> Body:
    return _rigid(rng, umbrella(rng).moved(scale=rng.uniform(1.0, 1.4)))


def _kite(rng: Generator) -> Body:
    wide, tall = rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0)
    corners = np.array([[0, 0, tall], [-wide / 2, 0.05, tall * 0.6], [0, 0, 0], [wide / 2, 0.05, tall * 0.6]])
    face = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), corners[:, [0, 2]] / tall).two_sided()
    face = face.moved([0, 0, 0.8])
    string = tube([[0, 0, 0.8], [0.1, -0.4, 0.3], [0.5, -0.9, -0.6]], 0.006, 4)
    tail = np.stack([0.06 * np.sin(np.linspace(0, 9, 16)), np.zeros(16), np.linspace(0.8, -0.3, 16)], 1)
    return _rigid(rng, merged([face, string, tube(tail, 0.015, 5)]))


def _tripod(rng: Generator) -> Body:
    tall, thick = rng.uniform(1.0, 1.7), rng.uniform(0.012, 0.025)
    top = np.array([0.0, 0.0, tall])
    legs = [tube([top, [0.4 * np.cos(a), 0.4 * np.sin(a), 0]], thick, 6) for a in (0.3, 2.4, 4.5)]
    head = (
        box(rng.uniform(0.12, 0.4, 3), 0.1, 4) if rng.random() < 0.6 else ellipsoid(rng.uniform(0.1, 0.3, 3))
    )
    return _rigid(rng, merged([*legs, head.moved(top)]), stands=True)


def _wires(rng: Generator) -> Body:
    curves = []
    for _ in range(int(rng.integers(1, 4))):
        steps = rng.normal(0, 0.25, (5, 3)).cumsum(0)
        fine = np.stack([np.interp(np.linspace(0, 4, 24), np.arange(5), steps[:, i]) for i in range(3)], 1)
        curves.append(
            tube(
                np.apply_along_axis(np.convolve, 0, fine, np.ones(5) / 5, "valid"),
                rng.uniform(0.012, 0.04),
                7,
            )
        )
    return _rigid(rng, merged(curves))


_THIN = (_chair, _ladder, _racket, _umbrella, _kite, _tripod, _wires)


def flier(rng: Generator) -> Body:
    """A bird, butterfly or aeroplane."""
    length, span = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)
    along = np.linspace(-0.5, 0.5, 12)
    radii = np.sqrt(np.clip(1 - (2 * along) ** 2, 0.02, 1)) * rng.uniform(0.08, 0.16)
    trunk = tube(np.stack([along * length, 0 * along, 0 * along], 1), radii, 10)
    head = ellipsoid([0.09, 0.07, 0.08]).moved([length * 0.5, 0, 0.06])
    tail = sheet(0.25, 0.22, 3, 3).moved([-0.55 * length, 0, 0], turn_about(0, np.pi / 2))
    wing = sheet(rng.uniform(0.2, 0.45), span, 4, 6).moved([0, 0, span / 2])
    bones = [Bone(-1, (0, 0, 0.5), (Part(merged([trunk, head, tail]), 0),))]
    bones += [Bone(0, (0.02, side * 0.04, 0.02), (Part(wing, 1),)) for side in (-1, 1)]
    speed, height, rest = rng.uniform(6, 28), rng.choice([0.1, 0.7, 1.0]), rng.uniform(0, 0.3)

    def gait(time: float) -> tuple[Pose, Doubles]:
        beat = rest + height * np.sin(speed * time)
        angles = np.zeros((3, 3))
        angles[1:, 0] = np.pi / 2 - beat, -np.pi / 2 + beat
        bob = np.array([0, 0, -0.06 * height * np.sin(speed * time)])
        return (np.eye(3), bob), angles

    parts, poses = jointed(bones, gait)
    return Body(parts, poses, ("any", "any"), 2 * span, speed=rng.uniform(0, 3))


def _rigid(rng: Generator, mesh: Mesh, *, stands: bool = False, map_share: float = 0.8) -> Body:
    mesh = standing(mapped(mesh, rng) if rng.random() < map_share else mesh)
    part = Part(mesh, 0)
    return Body((part,), still((part,)), size=float(np.ptp(mesh.vertices, axis=0).max()), stands=stands)


def from_mesh(rng: Generator, mesh: Mesh) -> Body:
    """A body of a mesh of any size, stretched a little."""
    span = np.ptp(mesh.vertices, axis=0).max() + 1e-9
    return _rigid(rng, mesh.moved(scale=rng.uniform(0.65, 1.35, 3) / span), map_share=1.0)
