"""People and animals: jointed figures that walk, run, jump, dance, tumble and ride."""

from __future__ import annotations

import numpy as np

from maskstream.arrays import Doubles
from maskstream.rendering.bodies import (
    BIKE_CRANK,
    BIKE_GRIP,
    BIKE_SEAT,
    CRANK,
    Body,
    Bone,
    Gait,
    Generator,
    Part,
    Pose,
    bicycle_bones,
    jointed,
    racket,
    umbrella,
)
from maskstream.rendering.meshes import Mesh, box, capsule, ellipsoid, lathed, merged, tube
from maskstream.rendering.motion import turn_about, turned, wandering

SKIN, SHIRT, TROUSERS, HAIR, SHOES, ITEM = range(6)
SURFACES = ("skin", "any", "any", "hair", "dark", "any")
PELVIS, CHEST, HEAD, ARM_L, ARM_R, FOREARM_L, FOREARM_R, THIGH_L, THIGH_R, SHIN_L, SHIN_R = range(11)
HIP = 0.9  #: metres from the floor
THIGH = SHIN = 0.43
ARM, FOREARM = 0.3, 0.27

ACTIONS = ("walk", "run", "jump", "dance", "tumble", "swing", "stand")


def person(rng: Generator) -> Body:
    """A person who does one of `ACTIONS`, perhaps with something in a hand or under both feet."""
    action = str(rng.choice(ACTIONS, p=(0.2, 0.2, 0.12, 0.22, 0.1, 0.1, 0.06)))
    bones = _person_bones(rng)
    if rng.random() < 0.35:
        bones.append(Bone(FOREARM_R, (0, 0, -FOREARM - 0.05), (Part(_held(rng), ITEM),)))
    elif rng.random() < 0.3:
        # Under the feet, and so in the root's frame: a board or a pair of skis.
        board = _board(rng).moved([0, 0, -HIP - 0.04])
        bones.append(Bone(PELVIS, (0, 0, 0), (Part(board, ITEM),)))
    parts, poses = jointed(bones, _action(rng, action, len(bones)))
    speed = {"walk": 1.3, "run": 3.5, "jump": 1.0}.get(action, 0.0) * rng.uniform(0.6, 1.2)
    return Body(parts, poses, SURFACES, 1.75, True, speed)


def rider(rng: Generator) -> Body:
    """A person on a bicycle or motorcycle, pedalling."""
    bike = bicycle_bones(rng, len(SURFACES), SHOES)
    limbs = _person_bones(rng)
    bones = [*bike, *(Bone(b.parent + 3 if b.parent >= 0 else 0, b.offset, b.parts) for b in limbs)]
    bones[3] = Bone(0, tuple(_above(BIKE_SEAT, 0.1)), limbs[0].parts)
    lean, cadence = rng.uniform(0.3, 0.8), rng.uniform(3, 9)
    sway, speed = wandering(rng, 0.08, 3), rng.uniform(1, 5)
    hop = rng.random() < 0.3

    def gait(time: float) -> tuple[Pose, Doubles]:
        angles = np.zeros((len(bones), 3))
        angles[1:3, 1] = speed / 0.34 * time
        angles[3 + CHEST, 1] = lean
        angles[3 + HEAD, 1] = -0.7 * lean
        for side, (thigh, shin) in enumerate(((THIGH_L, SHIN_L), (THIGH_R, SHIN_R))):
            turn = cadence * time + np.pi * side
            pedal = np.array(BIKE_CRANK) + CRANK * np.array([np.cos(turn), 0, -np.sin(turn)])
            hip = _above(BIKE_SEAT, 0.08)
            angles[3 + thigh, 1], angles[3 + shin, 1] = _reach(_above(pedal, 0.08) - hip, THIGH, SHIN, 1)
        shoulder = _above(BIKE_SEAT, 0.2) + turn_about(1, lean) @ [0, 0, 0.44]
        upper, lower = _reach(np.array(BIKE_GRIP) - shoulder, ARM, FOREARM, -1)
        for arm, forearm in ((ARM_L, FOREARM_L), (ARM_R, FOREARM_R)):
            angles[3 + arm, 1], angles[3 + forearm, 1] = upper - lean, lower
        leap = np.array([0, 0, 0.5 * abs(np.sin(3 * time))]) if hop else np.zeros(3)
        pitch = -0.5 * np.sin(3 * time) if hop else 0.0
        return (turned(sway(time) + np.array([0, pitch, 0])), leap), angles

    parts, poses = jointed(bones, gait)
    return Body(parts, poses, (*SURFACES, "any"), 1.9, True, speed)


def quadruped(rng: Generator) -> Body:
    """A dog, horse, cow, camel, cat or what is between them."""
    leg, length = rng.uniform(0.3, 0.9), rng.uniform(0.8, 1.4)
    girth, neck = rng.uniform(0.14, 0.26), rng.uniform(0.15, 0.7)
    along = np.linspace(-0.5, 0.5, 12)
    radii = girth * np.sqrt(np.clip(1 - (2 * along) ** 4, 0.15, 1)) * rng.uniform(0.85, 1.15, 12)
    hump = rng.choice([0.0, 0.15]) * np.exp(-((along * 5) ** 2))
    trunk = tube(np.stack([along * length, 0 * along, hump], 1), radii, 12, rng.uniform(0.75, 1.0))
    muzzle = capsule(rng.uniform(0.15, 0.35), 0.12, 0.06).moved(turn=turn_about(1, -1.3))
    ears = [ellipsoid([0.03, 0.05, rng.uniform(0.07, 0.15)]).moved([-0.04, y, 0.14]) for y in (-0.08, 0.08)]
    front, back = 0.4 * length, -0.4 * length
    wide = girth * 0.6
    thick = rng.uniform(0.04, 0.085)
    bones = [
        Bone(-1, (0, 0, 0), (Part(trunk, 0),)),
        Bone(
            0,
            (length * 0.42, 0, girth * 0.4),
            (Part(tube([[0, 0, 0], [neck * 0.5, 0, neck]], [girth * 0.6, 0.1], 10), 0),),
        ),
        Bone(1, (neck * 0.5, 0, neck), (Part(merged([ellipsoid([0.15, 0.12, 0.13]), muzzle, *ears]), 1),)),
        Bone(0, (-length * 0.5, 0, girth * 0.4), (Part(capsule(rng.uniform(0.25, 0.7), 0.05, 0.02), 0),)),
    ]
    upper, lower = leg * 0.5, leg * 0.5
    for x in (front, back):
        for y in (-wide, wide):
            bones.append(Bone(0, (x, y, -girth * 0.3), (Part(capsule(upper, thick * 1.6, thick), 0),)))
            foot = ellipsoid([thick * 1.3, thick, thick * 0.7]).moved([thick * 0.4, 0, -lower])
            bones.append(
                Bone(
                    len(bones) - 1,
                    (0, 0, -upper),
                    (Part(merged([capsule(lower, thick, thick * 0.7), foot]), 2),),
                )
            )
    gallop = rng.random() < 0.4
    speed, swing = (rng.uniform(9, 14), 0.9) if gallop else (rng.uniform(3, 8), 0.5)
    phases = (0, 0.6, np.pi, np.pi + 0.6) if gallop else (0, np.pi, np.pi, 0)
    wag, look = wandering(rng, 0.5, 3, 0.7), wandering(rng, 0.35, 3)
    moves = rng.random() < 0.85
    height = leg + girth * 0.3

    def gait(time: float) -> tuple[Pose, Doubles]:
        angles = np.zeros((len(bones), 3))
        angles[1] = look(time) * [0.2, 1, 1]
        angles[2] = look(time + 3) * [0.6, 1, 1] + [0, 0.4, 0]
        angles[3] = wag(time) + np.array([0, 0.6, 0])
        bounce = 0.0
        if moves:
            for number, phase in enumerate(phases):
                turn = speed * time + phase
                angles[4 + 2 * number, 1] = -swing * np.sin(turn)
                angles[5 + 2 * number, 1] = swing * max(0.0, np.cos(turn)) * (1.3 if number > 1 else 1.6)
            bounce = 0.07 * leg * np.sin((1 if gallop else 2) * speed * time)
        pitch = 0.13 * np.sin(speed * time + 1) if gallop and moves else 0.0
        return (turn_about(1, pitch), np.array([0, 0, height + bounce])), angles

    parts, poses = jointed(bones, gait)
    return Body(parts, poses, ("fur", "fur", "fur"), height + neck + 0.3, True, speed * leg * 0.3 * moves)


def _person_bones(rng: Generator) -> list[Bone]:
    stout = rng.uniform(0.85, 1.3)
    sleeve = SHIRT if rng.random() < 0.5 else SKIN
    legs = TROUSERS if rng.random() < 0.7 else SKIN
    trunk = lathed(
        np.linspace(-0.02, 0.5, 8),
        stout * np.array([0.14, 0.135, 0.13, 0.145, 0.16, 0.175, 0.16, 0.06]),
        14,
        1.35,
    ).moved(turn=turn_about(2, np.pi / 2))
    if trunk.vertices[:, 0].std() > trunk.vertices[:, 1].std():
        trunk = trunk.moved(turn=turn_about(2, np.pi / 2))
    skull = merged(
        [tube([[0, 0, -0.04], [0, 0, 0.1]], 0.055, 8), ellipsoid([0.095, 0.078, 0.12]).moved([0.01, 0, 0.19])]
    )
    hair = ellipsoid([0.1, 0.088, 0.115]).moved([-0.02, 0, 0.22])
    top = [Part(skull, SKIN), Part(hair, HAIR)]
    if rng.random() < 0.25:
        top[1] = Part(_hat(rng), ITEM)
    elif rng.random() < 0.3:  # long hair
        top.append(Part(ellipsoid([0.06, 0.09, 0.2]).moved([-0.07, 0, 0.1]), HAIR))
    chest = [Part(trunk, SHIRT)]
    if rng.random() < 0.2:
        chest.append(Part(box([0.18, 0.3, 0.42], 0.3, 5).moved([-0.2, 0, 0.27]), ITEM))
    hips = [Part(ellipsoid([0.13 * stout, 0.17 * stout, 0.13]), TROUSERS)]
    if rng.random() < 0.3:
        hips.append(_skirt(rng))
    hand = ellipsoid([0.045, 0.03, 0.07]).moved([0, 0, -FOREARM - 0.05])
    foot = ellipsoid([0.13, 0.05, 0.05]).moved([0.07, 0, -SHIN - 0.03])
    bones = [
        Bone(-1, (0, 0, 0), tuple(hips)),
        Bone(PELVIS, (0, 0, 0.06), tuple(chest)),
        Bone(CHEST, (0, 0, 0.5), tuple(top)),
    ]
    bones += [
        Bone(CHEST, (0, y * 0.2 * stout**0.5, 0.43), (Part(capsule(ARM, 0.06 * stout, 0.05 * stout), SHIRT),))
        for y in (1, -1)
    ]
    bones += [
        Bone(arm, (0, 0, -ARM), (Part(capsule(FOREARM, 0.048 * stout, 0.035), sleeve), Part(hand, SKIN)))
        for arm in (ARM_L, ARM_R)
    ]
    bones += [
        Bone(PELVIS, (0, y * 0.095, -0.02), (Part(capsule(THIGH, 0.095 * stout, 0.065 * stout), TROUSERS),))
        for y in (1, -1)
    ]
    bones += [
        Bone(thigh, (0, 0, -THIGH), (Part(capsule(SHIN, 0.062 * stout, 0.042), legs), Part(foot, SHOES)))
        for thigh in (THIGH_L, THIGH_R)
    ]
    return bones


def _skirt(rng: Generator) -> Part:
    length, wide = rng.uniform(0.35, 0.8), rng.uniform(0.25, 0.5)
    along = np.linspace(0, 1, 9)
    mesh = lathed(0.1 - along[::-1] * length, (0.15 + (wide - 0.15) * along[::-1] ** 1.3), 20)
    wind, speed = wandering(rng, 0.15, 3, 0.7), rng.uniform(4, 10)

    def bent(time: float) -> Doubles:
        at = mesh.vertices.copy()
        loose = np.clip(0.1 - at[:, 2:], 0, None)
        angle = np.arctan2(at[:, 1], at[:, 0])[:, None]
        fold = 1 + 0.25 * loose * np.sin(5 * angle + 2 * np.sin(speed * time))
        at[:, :2] = at[:, :2] * fold + loose * wind(time)[:2]
        return at

    return Part(mesh, TROUSERS, bent)


def _hat(rng: Generator) -> Mesh:
    crown = ellipsoid([0.11, 0.1, rng.uniform(0.08, 0.14)]).moved([0, 0, 0.26])
    brim = lathed([0.24, 0.26], [rng.uniform(0.1, 0.26)] * 2, 16)
    return merged([crown, brim])


def _held(rng: Generator) -> Mesh:
    kind = rng.integers(5)
    if kind == 0:
        return racket(rng).moved(turn=turn_about(1, np.pi / 2))
    if kind == 1:
        return umbrella(rng).moved(turn=turn_about(1, rng.uniform(0.5, 1.3)))
    if kind == 2:
        end = rng.uniform(0.5, 1.4)
        return tube([[-0.2, 0, -0.05], [end, 0, rng.uniform(-0.3, 0.3)]], rng.uniform(0.01, 0.03), 6)
    if kind == 3:
        return ellipsoid(np.full(3, rng.uniform(0.08, 0.16))).moved([0.05, 0, -0.08])
    return box(rng.uniform(0.12, 0.45, 3), 0.3, 5).moved([0, 0, -0.25])


def _board(rng: Generator) -> Mesh:
    length = rng.uniform(0.7, 2.0)
    if rng.random() < 0.4:
        return merged([box([length, 0.08, 0.025], 0.1, 3).moved([0, y, 0]) for y in (-0.13, 0.13)])
    return ellipsoid([length / 2, rng.uniform(0.12, 0.28), 0.03])


def _above(place: Doubles | tuple[float, float, float], height: float) -> Doubles:
    return np.array([place[0], place[1], place[2] + height])


def _reach(target: Doubles, upper: float, lower: float, bend: int) -> tuple[float, float]:
    """Angles about y of both links of a limb, hanging down at 0, that reach a target in x and z.

    Args:
        target: from the limb's root.
        upper: length of the first link.
        lower: length of the second.
        bend: 1: the joint opens as a knee does; -1: as an elbow does.
    """
    distance = float(np.clip(np.hypot(target[0], target[2]), abs(upper - lower) + 1e-3, upper + lower - 1e-3))
    inner = np.arccos(np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1))
    outer = np.arccos(np.clip((upper**2 + lower**2 - distance**2) / (2 * upper * lower), -1, 1))
    straight = np.arctan2(-target[0], -target[2])
    return float(straight - bend * inner), float(bend * (np.pi - outer))


def _action(rng: Generator, action: str, bones: int) -> Gait:
    if action in ("walk", "run"):
        return _walk(rng, bones, running=action == "run")
    if action == "jump":
        return _jump(rng, bones)
    if action == "tumble":
        return _tumble(rng, bones)
    if action == "swing":
        return _dance(rng, bones, legs=0.15, arms=1.2, spin=0.6)
    if action == "stand":
        return _dance(rng, bones, legs=0.05, arms=0.25, spin=0.1)
    return _dance(
        rng, bones, legs=rng.uniform(0.3, 0.8), arms=rng.uniform(0.7, 1.3), spin=rng.uniform(0.3, 2.5)
    )


def _walk(rng: Generator, bones: int, *, running: bool) -> Gait:
    speed = rng.uniform(9, 14) if running else rng.uniform(5, 8)
    stride, lean = (0.85, 0.25) if running else (0.45, 0.05)
    swing = stride * rng.uniform(0.7, 1.2)
    noise = wandering(rng, 0.08, bones * 3)

    def gait(time: float) -> tuple[Pose, Doubles]:
        turn = speed * time
        angles = noise(time).reshape(bones, 3)
        angles[CHEST] += [0, lean, 0.15 * np.sin(turn)]
        for side, (thigh, shin, arm, forearm) in enumerate(
            ((THIGH_L, SHIN_L, ARM_L, FOREARM_L), (THIGH_R, SHIN_R, ARM_R, FOREARM_R))
        ):
            phase = turn + np.pi * side
            angles[thigh, 1] += -stride * np.sin(phase) - 0.3 * stride
            angles[shin, 1] += 0.15 + 1.5 * stride * max(0.0, np.cos(phase))
            angles[arm, 1] += swing * np.sin(phase)
            angles[arm, 0] += 0.12 if side == 0 else -0.12
            angles[forearm, 1] -= 1.4 if running else 0.3
        bounce = (0.07 if running else 0.03) * abs(np.sin(turn))
        return (np.eye(3), np.array([0, 0, HIP - 0.03 + bounce])), angles

    return gait


def _jump(rng: Generator, bones: int) -> Gait:
    period, height, spin = rng.uniform(0.7, 1.1), rng.uniform(0.2, 0.9), rng.choice([0.0, 0.0, 1.0])
    start, spread, arms = rng.uniform(0, 1), rng.uniform(0, 0.7), rng.uniform(1, 3)
    noise = wandering(rng, 0.12, bones * 3)

    def gait(time: float) -> tuple[Pose, Doubles]:
        phase = (time / period + start) % 1
        up = np.clip(4 * (phase - 0.25) * (1 - phase) / 0.5625, 0, 1) if phase > 0.25 else 0.0
        crouch = np.sin(np.pi * phase / 0.25) if phase < 0.25 else 0.0
        angles = noise(time).reshape(bones, 3)
        for side, (thigh, shin, arm) in enumerate(((THIGH_L, SHIN_L, ARM_L), (THIGH_R, SHIN_R, ARM_R))):
            sign = 1 if side == 0 else -1
            angles[thigh] += [sign * spread * up, -1.0 * crouch - 0.3 * up, 0]
            angles[shin, 1] += 1.9 * crouch + 0.6 * up
            angles[arm] += [sign * (0.2 + 0.5 * arms * up), -0.6 * arms * up + 0.8 * crouch, 0]
        angles[CHEST, 1] += 0.6 * crouch
        turn = turn_about(2, spin * 2 * np.pi * time / period)
        return (turn, np.array([0, 0, HIP - 0.3 * crouch + height * up])), angles

    return gait


def _dance(rng: Generator, bones: int, *, legs: float, arms: float, spin: float) -> Gait:
    spreads = np.full((bones, 3), 0.1)
    spreads[[ARM_L, ARM_R]] = np.array([0.8, 1.0, 0.6]) * arms
    spreads[[FOREARM_L, FOREARM_R]] = np.array([0.0, 0.9, 0.3]) * arms
    spreads[[THIGH_L, THIGH_R]] = np.array([0.5, 1.0, 0.3]) * legs
    spreads[[SHIN_L, SHIN_R]] = np.array([0.0, 1.0, 0.0]) * legs
    spreads[[CHEST, HEAD]] = np.array([0.25, 0.3, 0.4]) * (legs + 0.2)
    course = wandering(rng, 1.0, bones * 3, rng.uniform(0.8, 2.0))
    twirl, sway = wandering(rng, spin, 1, 1.6), wandering(rng, 0.15 * legs, 3)
    start = rng.uniform(-np.pi, np.pi)

    def gait(time: float) -> tuple[Pose, Doubles]:
        angles = course(time).reshape(bones, 3) * spreads
        angles[[SHIN_L, SHIN_R], 1] = np.abs(angles[[SHIN_L, SHIN_R], 1]) * 1.3
        angles[[FOREARM_L, FOREARM_R], 1] = -np.abs(angles[[FOREARM_L, FOREARM_R], 1]) - 0.2
        angles[ARM_L, 0] += 0.5 * arms
        angles[ARM_R, 0] -= 0.5 * arms
        bent = np.abs(angles[[SHIN_L, SHIN_R], 1]).min()
        place = np.array([*sway(time)[:2], HIP - 0.2 * min(bent, 1.2)])
        return (turn_about(2, start + twirl(time)[0]), place), angles

    return gait


def _tumble(rng: Generator, bones: int) -> Gait:
    """Cartwheels, somersaults and breakdance: the whole figure turns over."""
    inner = _dance(rng, bones, legs=rng.uniform(0.6, 1.1), arms=1.0, spin=0.5)
    axis, speed, start = int(rng.integers(2)), rng.uniform(2, 6) * rng.choice([-1, 1]), rng.uniform(0, 6)
    low = rng.uniform(0.4, 0.9)

    def gait(time: float) -> tuple[Pose, Doubles]:
        (turn, _), angles = inner(time)
        rise = 0.25 * abs(np.sin(speed * time + start))
        return (turn_about(axis, speed * time + start) @ turn, np.array([0, 0, low + rise])), angles

    return gait
