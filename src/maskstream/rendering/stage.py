"""Bodies in front of a camera, by PyBullet's software renderer."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.arrays import Doubles, Frame
from maskstream.errors import InputError
from maskstream.rendering.bodies import Body, Part, Pose
from maskstream.rendering.motion import quaternion

NEAR, FAR = 0.05, 400.0

Owners = NDArray[np.int16]  #: ``(H, W)`` numbers of the bodies that are seen, -1 where there are none


@contextmanager
def _quiet() -> Iterator[None]:
    """PyBullet writes to both standard streams from C; neither is anybody's business."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)


def bullet() -> Any:
    """The module ``pybullet``.

    Raises:
        InputError: it is not installed.
    """
    try:
        with _quiet():
            import pybullet
    except ImportError:
        raise InputError("rendering needs PyBullet; pip install 'maskstream[render]'") from None
    return pybullet


def models() -> Path:
    """The folder of the meshes and robots that come with PyBullet."""
    bullet()
    import pybullet_data

    return Path(pybullet_data.getDataPath())


@dataclass(frozen=True)
class Camera:
    """A camera at one moment.

    Attributes:
        view: ``(4, 4)``, the world's frame to the camera's.
        projection: ``(4, 4)``, the camera's frame to clip space, as OpenGL has it.
    """

    view: Doubles
    projection: Doubles

    @classmethod
    def looking(cls, eye: Doubles, target: Doubles, roll: float) -> Doubles:
        """``(4, 4)`` view from ``eye`` to ``target``, z up but for ``roll`` in radians."""
        back = (eye - target) / np.linalg.norm(eye - target)
        right = np.cross([0.0, 0.0, 1.0], back)
        right /= np.linalg.norm(right) + 1e-9
        up = np.cross(back, right)
        rows = np.stack(
            [np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right, back]
        )
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = rows, -rows @ eye
        return view

    @classmethod
    def perspective(cls, angle: float, aspect: float, shift: Sequence[float] = (0.0, 0.0)) -> Doubles:
        """``(4, 4)`` projection with a vertical angle of view in radians.

        Args:
            angle: of view.
            aspect: width over height.
            shift: of the picture, in half heights and half widths, for samples within a pixel.
        """
        focal = 1 / np.tan(angle / 2)
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = focal / aspect, focal
        projection[0, 2], projection[1, 2] = shift
        projection[2, 2:] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
        projection[3, 2] = -1
        return projection

    def plane(self, origin: Doubles, first: Doubles, second: Doubles, size: tuple[int, int]) -> Doubles:
        """``(3, 3)`` homography of a plane's coordinates to pixels (x, y) of a picture.

        Args:
            origin: of the plane.
            first: one unit along its first coordinate.
            second: one along the other.
            size: height and width of the picture.
        """
        corners = np.zeros((4, 3))
        corners[:3, 0], corners[:3, 1], corners[:3, 2], corners[3, 2] = first, second, origin, 1
        x, y, _, w = self.projection @ self.view @ corners
        height, width = size
        # The renderer has its samples at the pixels' left lower corners.
        return np.stack([(x + w) / 2 * width, (w - y) / 2 * height - w, w])


@dataclass(frozen=True)
class Light:
    """The sun.

    Attributes:
        direction: ``(3,)`` towards it.
        colour: ``(3,)``, about 1.
        ambient: share of light from everywhere.
        gloss: of surfaces.
        shadows: bodies shade one another, at more than twice the time.
    """

    direction: Doubles
    colour: Doubles
    ambient: float
    gloss: float
    shadows: bool


class Stage:
    """A world of bodies, numbered as they were added; to be closed."""

    def __init__(self) -> None:
        self._bullet = bullet()
        self._client = self._bullet.connect(self._bullet.DIRECT)
        self._folder = tempfile.TemporaryDirectory(prefix="maskstream-render-")
        self._bodies: list[_Placed] = []
        self._owners: dict[int, int] = {}
        self._textures = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *error: object) -> None:
        self._bullet.disconnect(physicsClientId=self._client)
        self._folder.cleanup()

    def add(self, body: Body, surfaces: Sequence[Frame], scale: float) -> int:
        """Add a body.

        Args:
            body: what it is.
            surfaces: ``(s, s, 3)`` RGB of each of its surfaces.
            scale: of all its lengths.

        Returns:
            Its number.
        """
        number = len(self._bodies)
        textures = [self._texture(surface) for surface in surfaces]
        placed = _Placed(body, scale, textures, [])
        self._bodies.append(placed)
        if body.robot is not None:
            with _quiet():
                robot = self._bullet.loadURDF(
                    body.robot, useFixedBase=True, globalScaling=scale, physicsClientId=self._client
                )
            placed.ids.append(robot)
            self._owners[robot] = number
            for link in range(-1, self._bullet.getNumJoints(robot, physicsClientId=self._client)):
                if textures:
                    self._cover(robot, textures[link % len(textures)], link)
        else:
            for part in body.parts:
                placed.ids.append(self._shape(number, part, textures, part.mesh.vertices * scale))
        return number

    def move(self, number: int, pose: Pose, time: float) -> None:
        """Place a body, its parts as they are at a time."""
        placed = self._bodies[number]
        turn, place = pose
        if placed.body.robot is not None:
            self._place(placed.ids[0], turn, place)
            self._bend_joints(placed, time)
            return
        for index, (part, (own_turn, own_place)) in enumerate(
            zip(placed.body.parts, placed.body.poses(time), strict=True)
        ):
            if part.bent is not None:
                self._bullet.removeBody(placed.ids[index], physicsClientId=self._client)
                del self._owners[placed.ids[index]]
                placed.ids[index] = self._shape(number, part, placed.textures, part.bent(time) * placed.scale)
            self._place(placed.ids[index], turn @ own_turn, place + turn @ (own_place * placed.scale))

    def picture(self, camera: Camera, light: Light, size: tuple[int, int]) -> tuple[Frame, Owners]:
        """What the camera sees.

        Args:
            camera: where from.
            light: falling on the bodies.
            size: height and width, in pixels.

        Returns:
            ``(H, W, 3)`` RGB, and ``(H, W)`` int16 numbers of the bodies, -1 where there are none.
        """
        height, width = size
        _, _, colours, _, owners = self._bullet.getCameraImage(
            width,
            height,
            camera.view.T.ravel().tolist(),
            camera.projection.T.ravel().tolist(),
            lightDirection=light.direction.tolist(),
            lightColor=light.colour.tolist(),
            lightDistance=30.0,
            shadow=int(light.shadows),
            lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=1.05 - light.ambient,
            lightSpecularCoeff=light.gloss,
            renderer=self._bullet.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )
        rgb = np.asarray(colours, np.uint8).reshape(height, width, 4)[..., :3]
        ids = np.asarray(owners, np.int32).reshape(height, width) & 0xFFFFFF  # links are in the high bits
        table = np.full(max(self._owners, default=0) + 2, -1, np.int16)
        for body, number in self._owners.items():
            table[body] = number
        return rgb, table[np.minimum(ids, len(table) - 1)]

    def _texture(self, surface: Frame) -> int:
        path = Path(self._folder.name, f"{self._textures}.png")
        self._textures += 1
        Image.fromarray(surface).save(path, compress_level=1)
        return int(self._bullet.loadTexture(str(path), physicsClientId=self._client))

    def _shape(self, number: int, part: Part, textures: Sequence[int], vertices: Doubles) -> int:
        shape = self._bullet.createVisualShape(
            self._bullet.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=part.mesh.triangles.ravel().tolist(),
            uvs=part.mesh.uv.tolist(),
            normals=part.mesh.normals(vertices).tolist(),
            physicsClientId=self._client,
        )
        found = int(self._bullet.createMultiBody(0, -1, shape, physicsClientId=self._client))
        self._cover(found, textures[part.surface], -1)
        self._owners[found] = number
        return found

    def _cover(self, body: int, texture: int, link: int) -> None:
        self._bullet.changeVisualShape(
            body, link, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1], physicsClientId=self._client
        )

    def _place(self, body: int, turn: Doubles, place: Doubles) -> None:
        self._bullet.resetBasePositionAndOrientation(
            body, place.tolist(), quaternion(turn).tolist(), physicsClientId=self._client
        )

    def _bend_joints(self, placed: _Placed, time: float) -> None:
        if placed.body.joints is None:
            return
        angles, robot = placed.body.joints(time), placed.ids[0]
        moving = 0
        for joint in range(self._bullet.getNumJoints(robot, physicsClientId=self._client)):
            kind = self._bullet.getJointInfo(robot, joint, physicsClientId=self._client)[2]
            if kind == self._bullet.JOINT_REVOLUTE:
                angle = float(angles[moving % len(angles)])
                self._bullet.resetJointState(robot, joint, angle, physicsClientId=self._client)
                moving += 1


@dataclass
class _Placed:
    body: Body
    scale: float
    textures: list[int]
    ids: list[int]
