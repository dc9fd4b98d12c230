"""Scenes: who is there, how everyone and the camera move, the light, the floor and what stands behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from maskstream.arrays import Doubles, Frame
from maskstream.rendering import bodies, figures
from maskstream.rendering.bodies import Body, Generator, Pose
from maskstream.rendering.config import RenderConfig
from maskstream.rendering.meshes import read_obj
from maskstream.rendering.motion import turn_about, turned, wandering
from maskstream.rendering.stage import Camera, Light, models
from maskstream.rendering.surfaces import Photographs

ROBOTS = (
    ("a1/a1.urdf", 0.6), ("laikago/laikago_toes.urdf", 0.8), ("mini_cheetah/mini_cheetah.urdf", 0.5),
    ("quadruped/minitaur.urdf", 0.5), ("r2d2.urdf", 0.9), ("kuka_iiwa/model.urdf", 1.2),
    ("franka_panda/panda.urdf", 1.1), ("xarm/xarm6_robot.urdf", 0.9), ("husky/husky.urdf", 0.9),
    ("racecar/racecar.urdf", 0.5), ("aliengo/aliengo.urdf", 0.7),
)  #: of PyBullet's own, with their sizes in metres  # fmt: skip
MESHES = ("duck.obj", "teddy2_VHACD_CHs.obj", "bunny.obj")
RANDOM_MESHES = 1000
_FARTHEST_ORBIT = 0.6  #: radians of a clip, so that the photograph behind isn't seen from the side

#: Kinds of bodies, and how often each is drawn.
KINDS: dict[str, tuple[float, Callable[[Generator], Body]]] = {
    "person": (0.29, figures.person),
    "rider": (0.08, figures.rider),
    "quadruped": (0.13, figures.quadruped),
    "flier": (0.05, bodies.flier),
    "swimmer": (0.06, bodies.swimmer),
    "blob": (0.05, bodies.blob),
    "cloth": (0.04, bodies.cloth),
    "car": (0.07, bodies.car),
    "bicycle": (0.02, bodies.bicycle),
    "thin thing": (0.07, bodies.thin_thing),
    "vessel": (0.03, bodies.vessel),
    "block": (0.03, bodies.block),
    "mesh": (0.05, lambda rng: _mesh(rng)),
    "robot": (0.03, lambda rng: _robot(rng)),
}


@dataclass(frozen=True)
class Actor:
    """A body in a scene.

    Attributes:
        body: what it is.
        surfaces: ``(s, s, 3)`` RGB of each of its surfaces.
        scale: of its lengths.
        course: its pose in the world at a time in seconds.
        pace: of its own motion over the world's: look-alikes don't move alike.
        labelled: it may be an object; else a distractor or an occluder.
    """

    body: Body
    surfaces: tuple[Frame, ...]
    scale: float
    course: Callable[[float], Pose]
    pace: float = 1.0
    labelled: bool = True


@dataclass(frozen=True)
class Scene:
    """All that a clip shows.

    Attributes:
        actors: the bodies.
        eye: where the camera is at a time.
        target: what it looks at.
        roll: about its axis, in radians.
        angle: vertical angle of view, in radians.
        light: at a time.
        place: photograph behind everything.
        place_distance: metres from the origin, along y.
        floor: ``(s, s, 3)`` RGB that is repeated over the floor; None: the photograph's own ground.
        shade: how dark shadows on the floor are, 0 to 1; 0: bodies are in the air.
        blur: of the photograph, in pixels.
        tint: ``(3,)`` factors of the colours of bodies, towards the photograph's.
        interval: seconds between two frames.
        shutter: share of that for which the shutter is open.
    """

    actors: tuple[Actor, ...]
    eye: Callable[[float], Doubles]
    target: Callable[[float], Doubles]
    roll: Callable[[float], Doubles]
    angle: float
    light: Callable[[float], Light]
    place: Frame
    place_distance: float
    floor: Frame | None
    shade: float
    blur: float
    tint: Doubles
    interval: float
    shutter: float

    def camera(self, time: float, size: tuple[int, int], shift: tuple[float, float] = (0.0, 0.0)) -> Camera:
        """The camera at a time, for pictures of a size; see `Camera.perspective` for the shift."""
        view = Camera.looking(self.eye(time), self.target(time), float(self.roll(time)[0]))
        return Camera(view, Camera.perspective(self.angle, size[1] / size[0], shift))


def draw_scene(photographs: Photographs, config: RenderConfig, rng: Generator) -> Scene:
    """A scene, from random numbers alone."""
    on_floor = rng.random() < config.floor
    interval = float(np.exp(rng.uniform(*np.log(config.interval))))
    length = interval * config.frames
    angle = np.radians(rng.uniform(*config.angle))
    cast = _cast(photographs, config, rng, on_floor)
    main = cast[0]
    share = float(np.exp(rng.uniform(*np.log(config.apparent))))
    distance = main.body.size * main.scale / (share * 2 * np.tan(angle / 2))
    stage = _Stage(
        distance, 2 * distance * np.tan(angle / 2) * config.width / config.height, length, on_floor
    )
    actors = _set_in_motion(cast, stage, config, rng)
    eye, target, roll = _camera_work(actors[0], stage, config, rng)
    place = photographs.place(rng)
    floor = photographs.ground(rng) if on_floor and rng.random() < 0.4 else None
    return Scene(
        actors=tuple(actors),
        eye=eye,
        target=target,
        roll=roll,
        angle=float(angle),
        light=_light(rng, length),
        place=place,
        place_distance=distance * rng.uniform(1.3, 3.0),
        floor=floor,
        shade=rng.uniform(0.2, 0.65) if on_floor else 0.0,
        blur=float(rng.choice([0.0, 0.0, 0.6, 1.5, 3.0])),
        tint=_tint(place, rng),
        interval=interval,
        shutter=float(rng.choice(config.shutters)),
    )


@dataclass(frozen=True)
class _Stage:
    """Measures of a scene: metres from the camera to the origin, metres across the view there, seconds."""

    distance: float
    width: float
    length: float
    on_floor: bool


def _cast(photographs: Photographs, config: RenderConfig, rng: Generator, on_floor: bool) -> list[Actor]:
    count = 1 + int(rng.choice(len(config.others), p=config.others))
    found: list[Actor] = []
    for _ in range(count):
        if found and rng.random() < config.twin:
            found.append(replace(found[0], pace=rng.uniform(0.7, 1.4)))  # a look-alike
            continue
        body = _draw_body(rng)
        surfaces = tuple(photographs.surface(kind, rng) for kind in body.surfaces)
        scale = 1.0
        if found and not (on_floor and rng.random() < 0.4):
            scale = found[0].body.size * found[0].scale / body.size * float(np.exp(rng.normal(0, 0.45)))
        found.append(Actor(body, surfaces, scale, _nowhere))
    if rng.random() < config.occluder:
        body = _draw_body(rng)
        surfaces = tuple(photographs.surface(kind, rng) for kind in body.surfaces)
        scale = found[0].body.size * found[0].scale / body.size * rng.uniform(0.5, 1.2)
        found.append(Actor(body, surfaces, scale, _nowhere, labelled=False))
    return found


def _nowhere(time: float) -> Pose:
    return np.eye(3), np.zeros(3)


def _draw_body(rng: Generator) -> Body:
    weights = np.array([weight for weight, _ in KINDS.values()])
    kinds = list(KINDS)
    return KINDS[kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]][1](rng)


def _mesh(rng: Generator) -> Body:
    if rng.random() < 0.3:
        path = models() / str(rng.choice(MESHES))
    else:
        number = int(rng.integers(RANDOM_MESHES))
        path = models() / "random_urdfs" / f"{number:03d}" / f"{number:03d}.obj"
    return bodies.from_mesh(rng, _read(path))


_read = cache(read_obj)


def _robot(rng: Generator) -> Body:
    name, size = ROBOTS[int(rng.integers(len(ROBOTS)))]
    joints = wandering(rng, rng.uniform(0.2, 0.7), 12, 1.2)
    textures = int(rng.integers(1, 4))
    return Body((), lambda time: [], ("any",) * textures, size, True, 0.5, str(models() / name), joints)


def _set_in_motion(cast: list[Actor], stage: _Stage, config: RenderConfig, rng: Generator) -> list[Actor]:
    found = []
    meeting = len(cast) > 1 and cast[1].body is cast[0].body and rng.random() < 0.7
    for number, actor in enumerate(cast):
        height = actor.body.size * actor.scale
        depth = 0.0 if number == 0 else float(rng.uniform(-0.35, 0.9)) * stage.distance
        if not actor.labelled:
            depth = -rng.uniform(0.35, 0.6) * stage.distance
        across = stage.width * (1 + depth / stage.distance)  # metres that are seen at that depth
        start = rng.uniform(-0.32, 0.32) * across if number == 0 else rng.uniform(-0.55, 0.55) * across
        drift = rng.normal(0, float(rng.choice(config.drifts))) * across
        if not actor.labelled:
            start, drift = rng.choice([-1, 1]) * rng.uniform(0.3, 0.7) * across, rng.normal(0, 0.7) * across
        if meeting and number < 2:
            side = 1 if number else -1
            start, drift = side * rng.uniform(0.12, 0.3) * across, -side * rng.uniform(0.3, 0.7) * across
            depth = 0.0 if number == 0 else rng.choice([-1, 1]) * max(0.3 * height, 0.05 * stage.distance)
        away = 0.0
        if actor.labelled and rng.random() < config.leaves:
            away = rng.choice([-1, 1]) * (0.6 * across + height + abs(start))
            drift *= 0.2
        low = 0.0 if stage.on_floor else float(rng.uniform(-0.9, 0.1)) * height
        found.append(
            replace(actor, course=_course(actor, stage, rng, start, depth, low, drift, away, height))
        )
    return found


def _course(
    actor: Actor,
    stage: _Stage,
    rng: Generator,
    start: float,
    depth: float,
    low: float,
    drift: float,
    away: float,
    height: float,
) -> Callable[[float], Pose]:
    """A way through the scene.

    Args:
        actor: who goes it.
        stage: measures of the scene.
        rng: random numbers.
        start: x at first.
        depth: y at first.
        low: z of the body's foot.
        drift: how far it gets along x.
        away: how far it leaves sideways, to come back.
        height: of the body.
    """
    depth_drift = rng.normal(0, 0.25 * abs(drift) + 0.02 * stage.distance)
    wobble = wandering(rng, 0.06 * height if stage.on_floor else 0.14 * height, 3, 1.2)
    upright = actor.body.stands and (stage.on_floor or rng.random() < 0.7)
    ahead = np.arctan2(depth_drift, drift + away) + rng.normal(0, 0.15)
    heading = ahead if actor.body.speed and rng.random() < 0.8 else rng.uniform(-np.pi, np.pi)
    rate = rng.normal(0, float(rng.choice([0.1, 0.5, 1.5])))
    veer = wandering(rng, 0.25, 1)
    spin = rng.normal(0, float(rng.choice([0.2, 1.0, 3.0])), 3)
    tilt, sway = rng.uniform(-np.pi, np.pi, 3), wandering(rng, 0.3, 3)
    bounce = rng.uniform(0.3, 1.0) * height if stage.on_floor and not upright and rng.random() < 0.6 else 0.0
    rhythm, beat = rng.uniform(2, 5), rng.uniform(0, np.pi)
    fall = rng.normal(0, 0.2) * height if not stage.on_floor else 0.0

    def course(time: float) -> Pose:
        done = time / stage.length
        absent = np.sin(np.pi * np.clip((done - 0.12) / 0.76, 0, 1)) ** 0.7
        shift = wobble(time)
        x = start + drift * done + away * absent + shift[0]
        y = depth + depth_drift * done + shift[1]
        z = (
            low
            + fall * done
            + (0.0 if stage.on_floor else shift[2])
            + bounce * abs(np.sin(rhythm * time + beat))
        )
        turn = turn_about(2, heading + rate * time + veer(time)[0])
        if not upright:
            turn = turned(tilt + spin * time + sway(time))
            middle = np.array([0, 0, 0.5 * height])
            return turn, np.array([x, y, z]) + middle - turn @ middle
        return turn, np.array([x, y, z])

    return course


def _camera_work(
    main: Actor, stage: _Stage, config: RenderConfig, rng: Generator
) -> tuple[Callable[[float], Doubles], Callable[[float], Doubles], Callable[[float], Doubles]]:
    height = main.body.size * main.scale
    aim = np.array([0, 0, rng.uniform(0.3, 0.65) * height])
    climb = rng.uniform(0.03, 0.4) if stage.on_floor else rng.uniform(-0.3, 0.3)
    side = rng.normal(0, 0.1)
    orbit = rng.normal(0, float(rng.choice(config.orbits))) * rng.choice([0.3, 1.0])
    orbit = np.clip(orbit, -_FARTHEST_ORBIT / stage.length, _FARTHEST_ORBIT / stage.length)
    dolly = rng.normal(0, 0.12)
    follow = float(rng.choice([0.0, 0.0, 0.5, 0.9]))
    shake = float(rng.choice(config.shakes))
    hand, gaze = (
        wandering(rng, shake * stage.distance, 3, 0.9),
        wandering(rng, shake * stage.distance, 3, 0.7),
    )
    roll = wandering(rng, float(rng.choice([0.01, 0.05, 0.15])), 1)
    origin = main.course(0.0)[1]

    def followed(time: float) -> Doubles:
        moved = follow * (main.course(time)[1] - origin)
        return np.array([moved[0], moved[1], 0.3 * moved[2]])

    def eye(time: float) -> Doubles:
        turn, away = side + orbit * time, stage.distance * np.exp(dolly * time)
        place = away * np.array([np.sin(turn), -np.cos(turn), np.tan(climb)])
        place = place + aim + followed(time) + hand(time)
        if stage.on_floor:
            place[2] = max(place[2], 0.08 * stage.distance)
        return np.asarray(place)

    return eye, lambda time: aim + followed(time) + gaze(time), roll


def _light(rng: Generator, length: float) -> Callable[[float], Light]:
    angle, climb = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.3)
    rate = rng.normal(0, 0.6) if rng.random() < 0.4 else 0.0
    ambient, flicker = rng.uniform(0.45, 0.8), wandering(rng, float(rng.choice([0.0, 0.02, 0.06])), 1, 0.4)
    colour = np.clip(rng.normal(1, 0.07, 3), 0.8, 1.15)
    gloss, shadows = float(rng.choice([0.0, 0.0, 0.15, 0.4])), bool(rng.random() < 0.15)
    fade = rng.normal(0, 0.25) if rng.random() < 0.2 else 0.0

    def light(time: float) -> Light:
        turn = angle + rate * time
        direction = np.array([np.cos(turn) * np.cos(climb), np.sin(turn) * np.cos(climb), np.sin(climb)])
        level = ambient + flicker(time)[0] + fade * time / length
        return Light(direction, colour, float(np.clip(level, 0.3, 0.95)), gloss, shadows)

    return light


def _tint(place: Frame, rng: Generator) -> Doubles:
    """Half-way from no change to the photograph's own colour and brightness."""
    mean = place.reshape(-1, 3).mean(0) + 20.0
    cast = mean / mean.mean()
    level = np.clip(mean.mean() / 125.0, 0.6, 1.3)
    return np.asarray((cast * level) ** rng.uniform(0.1, 0.7))
