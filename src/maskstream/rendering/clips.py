"""Rendered clips: frames with their true label maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from maskstream.arrays import Doubles, Floats, Frame, LabelMap
from maskstream.rendering.bodies import Generator
from maskstream.rendering.config import RenderConfig
from maskstream.rendering.scenes import Scene, draw_scene
from maskstream.rendering.stage import Camera, Owners, Stage
from maskstream.rendering.surfaces import Photographs

_TRIES = 40
_COVERED = 0.45  #: share of a pixel, and of the shutter's time, that makes it an object's
_SHADOW_SIDE = 192  #: pixels of the light's view
_FLOOR_AXES = (np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
_LIGHT_AWAY = 15.0  #: distance of the light's view over its reach


@dataclass(frozen=True)
class RenderedClip:
    """A clip.

    Attributes:
        frames: RGB.
        label_maps: one a frame; all ids are in the first.
    """

    frames: list[Frame]
    label_maps: list[LabelMap]


def render_clip(photographs: Photographs, config: RenderConfig, seed: tuple[int, ...]) -> RenderedClip:
    """Render a clip; scenes whose first frame shows too little are drawn again.

    Args:
        photographs: for places and surfaces.
        config: what it is like.
        seed: equal seeds give equal clips, if photographs and config are the same.

    Raises:
        RuntimeError: no scene in many showed an object, which a usual config doesn't do.
    """
    for attempt in range(_TRIES):
        rng = np.random.default_rng((*seed, attempt))
        scene = draw_scene(photographs, config, rng)
        with Stage() as stage:
            film = _Film(scene, stage, config, rng)
            if not film.is_worth_it():
                continue
            shots = [film.shot(index) for index in range(config.frames)]
        owners = np.stack([owner for _, owner in shots])
        if numbers := _objects(scene, owners, config, rng):
            ids = np.zeros(len(scene.actors) + 1, np.uint8)
            ids[numbers] = np.arange(1, len(numbers) + 1)  # ids[-1] stays 0
            return RenderedClip([frame for frame, _ in shots], list(ids[owners]))
    raise RuntimeError(f"no object in any of {_TRIES} scenes; is the render config extreme?")


def _objects(scene: Scene, owners: Owners, config: RenderConfig, rng: Generator) -> list[int]:
    """Numbers of the actors that become objects, in the order of their ids."""
    pixels = owners[0].size
    found = []
    for number, actor in enumerate(scene.actors):
        shown = (owners == number).reshape(len(owners), -1).sum(1)
        enough = shown[0] >= config.min_first * pixels
        if actor.labelled and enough and (shown > 0.2 * config.min_first * pixels).mean() >= config.min_shown:
            found.append(number)
    rng.shuffle(found)
    found = found[: config.labelled]
    if len(found) > 1 and rng.random() < 0.2:
        found.pop()  # one that is nobody's: a distractor, perhaps a look-alike
    return found


@dataclass(frozen=True)
class _Floor:
    """The floor at one moment.

    Attributes:
        seen: ``(H, W)`` how much of it is seen, 0 to 1.
        shadow: ``(s, s)`` what the light doesn't reach, seen from it.
        from_light: ``(3, 3)`` homography of that picture to the floor.
    """

    seen: Floats
    shadow: Floats
    from_light: Doubles


class _Film:
    """Takes the pictures of a scene."""

    def __init__(self, scene: Scene, stage: Stage, config: RenderConfig, rng: Generator) -> None:
        self._scene, self._stage, self._config, self._rng = scene, stage, config, rng
        self._size = (config.height, config.width)
        self._numbers = [stage.add(actor.body, actor.surfaces, actor.scale) for actor in scene.actors]
        blur = scene.blur
        self._place: Frame = scene.place
        if blur:
            self._place = np.asarray(cv2.GaussianBlur(scene.place, (0, 0), blur), np.uint8)
        if scene.floor is not None:
            tile = np.concatenate([scene.floor, scene.floor[::-1]])
            self._tile = np.concatenate([tile, tile[:, ::-1]], 1)  # without seams when repeated
        self._tile_side = rng.uniform(0.5, 2.0) * scene.actors[0].body.size * scene.actors[0].scale

    def is_worth_it(self) -> bool:
        """By a quick look: an object is to be seen at first, and something else than bodies throughout."""
        config, half = self._config, (self._size[0] // 2, self._size[1] // 2)
        labelled = [number for number, actor in enumerate(self._scene.actors) if actor.labelled]
        for share in (0.0, 0.5, 1.0):
            time = share * config.frames * self._scene.interval
            self._pose(time)
            _, owners = self._stage.picture(self._scene.camera(time, half), self._scene.light(time), half)
            shown = max(float((owners == number).mean()) for number in labelled)
            if share == 0.0 and shown < 2 * config.min_first:
                return False
            if (owners >= 0).mean() > config.max_covered:
                return False
        return True

    def shot(self, index: int) -> tuple[Frame, Owners]:
        """A frame, and ``(H, W)`` numbers of the actors that own its pixels, -1 for none."""
        scene, samples = self._scene, self._config.samples
        if scene.shutter > 0.3:
            samples *= 2  # fewer would show as ghosts
        colours = np.zeros((*self._size, 3), np.float32)
        covered = np.zeros((len(scene.actors), *self._size), np.uint8)
        tint = scene.tint.astype(np.float32)
        start = index * scene.interval
        for sample in range(samples):
            time = start + scene.shutter * scene.interval * sample / samples
            if sample == 0 or scene.shutter:
                self._pose(time)
            if sample == 0:
                floor = self._floor(time)
            right, down = (sample + 0.5) / samples - 0.5, _halves(sample) - 0.5
            shift = (2 * right / self._size[1], 2 * down / self._size[0])
            camera = scene.camera(time, self._size, shift)
            picture, owners = self._stage.picture(camera, scene.light(time), self._size)
            seen = self._behind(camera, floor)
            rows, columns = np.nonzero(owners >= 0)
            seen[rows, columns] = np.minimum(picture[rows, columns] * tint, 255)
            colours += seen
            covered += owners == np.arange(len(scene.actors), dtype=np.int16)[:, None, None]
        owner = covered.argmax(0).astype(np.int16)
        owner[covered.sum(0, dtype=np.uint8) < _COVERED * samples] = -1
        return np.clip(colours / samples + 0.5, 0, 255).astype(np.uint8), owner

    def _pose(self, time: float) -> None:
        for number, actor in zip(self._numbers, self._scene.actors, strict=True):
            self._stage.move(number, actor.course(time), time * actor.pace)

    def _behind(self, camera: Camera, floor: _Floor | None) -> Floats:
        """``(H, W, 3)`` what stands behind the bodies: the photograph, the floor, shadows on it."""
        scene = self._scene
        height, width = self._place.shape[:2]
        reach = scene.place_distance + np.linalg.norm(scene.eye(0.0))
        visible = 2 * reach * np.tan(scene.angle / 2)
        tall = visible * max(1.25, self._size[1] / self._size[0] * height / width * 1.25)
        unit = tall / height
        corner = np.array([-unit * width / 2, scene.place_distance, tall / 2 + scene.target(0.0)[2]])
        to_view = camera.plane(corner, np.array([unit, 0, 0]), np.array([0, 0, -unit]), self._size)
        behind = self._warped(self._place, to_view, cv2.BORDER_REFLECT_101)
        if floor is None:
            return behind
        ground = camera.plane(np.zeros(3), *_FLOOR_AXES, self._size)
        if scene.floor is not None:
            side = self._tile_side / self._tile.shape[0]
            tiles = self._warped(self._tile, ground @ np.diag([side, side, 1.0]), cv2.BORDER_WRAP)
            behind += (tiles - behind) * floor.seen[..., None]
        dark = self._warped(floor.shadow, ground @ floor.from_light, cv2.BORDER_CONSTANT)
        behind *= (1 - scene.shade * dark * (floor.seen > 0))[..., None]
        return behind

    def _warped(self, picture: Frame | Floats, to_view: Doubles, border: int) -> Floats:
        height, width = self._size
        how = cv2.INTER_LINEAR
        seen = cv2.warpPerspective(picture, to_view, (width, height), flags=how, borderMode=border)
        return np.asarray(seen, np.float32)

    def _floor(self, time: float) -> _Floor | None:
        scene = self._scene
        if not scene.shade:
            return None
        light = scene.light(time)
        reach = 1.2 * float(np.linalg.norm(scene.eye(0.0)[:2]))
        # From far away, for the renderer knows no parallel rays.
        view = Camera.looking(light.direction * _LIGHT_AWAY * reach, np.zeros(3), 0.0)
        camera = Camera(view, Camera.perspective(2 * np.arctan(1 / _LIGHT_AWAY), 1.0))
        side = (_SHADOW_SIDE, _SHADOW_SIDE)
        _, owners = self._stage.picture(camera, replace(light, shadows=False), side)
        shadow = cv2.GaussianBlur((owners >= 0).astype(np.float32), (0, 0), 1.2)
        to_light = camera.plane(np.zeros(3), *_FLOOR_AXES, side)
        ground = scene.camera(time, self._size).plane(np.zeros(3), *_FLOOR_AXES, self._size)
        return _Floor(
            _seen_floor(ground, self._size), np.asarray(shadow), np.asarray(np.linalg.inv(to_light))
        )


def _seen_floor(ground: Doubles, size: tuple[int, int]) -> Floats:
    """``(H, W)`` how much of the floor is seen: 1 near, fading out before the horizon, 0 above it."""
    inverse = np.linalg.inv(ground)
    x, y = np.arange(size[1]), np.arange(size[0])[:, None]
    nearness = (inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]) * ground[2, 2]
    return np.asarray(np.clip(nearness * 3.0 - 0.6, 0, 1), np.float32)


def _halves(index: int) -> float:
    """The van der Corput sequence in base 2: even places between 0 and 1 for samples within a pixel."""
    place, step = 0.0, 0.5
    while index:
        place += step * (index & 1)
        index, step = index >> 1, step / 2
    return place + 0.125
