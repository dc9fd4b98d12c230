"""Triangle meshes of simple solids, tubes and sheets, with coordinates for their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Doubles

Ints = NDArray[np.int64]
Points = Doubles | Sequence[Sequence[float] | Doubles]  #: ``(k, 3)`` places


@dataclass(frozen=True)
class Mesh:
    """A closed surface or a sheet.

    Attributes:
        vertices: ``(n, 3)``, in lengths of the body's own.
        triangles: ``(m, 3)`` vertex numbers, anticlockwise from outside.
        uv: ``(n, 2)`` place of each vertex on the texture, which repeats at whole numbers.
    """

    vertices: Doubles
    triangles: Ints
    uv: Doubles

    def moved(self, offset: ArrayLike = (0, 0, 0), turn: Doubles | None = None, scale: ArrayLike = 1) -> Mesh:
        """Scaled, then turned by a ``(3, 3)`` rotation, then shifted."""
        vertices = self.vertices * np.asarray(scale, np.float64)
        if turn is not None:
            vertices = vertices @ turn.T
        return replace(self, vertices=vertices + np.asarray(offset, np.float64))

    def two_sided(self) -> Mesh:
        """The same with each triangle seen from both sides."""
        count = len(self.vertices)
        return Mesh(
            np.concatenate([self.vertices] * 2),
            np.concatenate([self.triangles, self.triangles[:, ::-1] + count]),
            np.concatenate([self.uv] * 2),
        )

    def normals(self, vertices: Doubles | None = None) -> Doubles:
        """``(n, 3)`` unit normals, of other vertices in the same triangles if given."""
        at = self.vertices if vertices is None else vertices
        a, b, c = (at[self.triangles[:, i]] for i in range(3))
        facets = np.cross(b - a, c - a)
        normals = np.zeros_like(at)
        for corner in range(3):
            np.add.at(normals, self.triangles[:, corner], facets)
        return np.asarray(normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12))


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.uv for mesh in meshes]),
    )


def _grid_triangles(rows: int, columns: int) -> Ints:
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    low = np.stack([corner, corner + 1, corner + columns], 1)
    high = np.stack([corner + 1, corner + columns + 1, corner + columns], 1)
    return np.concatenate([low, high])


def tube(path: Points, radius: ArrayLike, sides: int = 12, squash: float = 1.0) -> Mesh:
    """A tube along a path, closed at both ends.

    Args:
        path: ``(k, 3)`` centres, two or more.
        radius: ``(k,)`` or one for all.
        sides: around it.
        squash: second radius of its section over the first.
    """
    centres = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(centres))
    centres = np.concatenate([centres[:1], centres, centres[-1:]])
    radii = np.concatenate([[0.0], radii, [0.0]])
    along = np.gradient(centres[1:-1], axis=0)
    along = np.concatenate([along[:1], along, along[-1:]])
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-12
    side = np.cross(along[0], [0.0, 1.0, 0.0] if abs(along[0, 1]) < 0.9 else [1.0, 0.0, 0.0])
    sides_of = []
    for direction in along:  # carried along, so that the tube doesn't twist
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side) + 1e-12
        sides_of.append(side)
    first = np.array(sides_of)
    second = np.cross(along, first) * squash
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = first[:, None] * np.cos(angle)[:, None] + second[:, None] * np.sin(angle)[:, None]
    vertices = (centres[:, None] + ring * radii[:, None, None]).reshape(-1, 3)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1) + 1e-3)])
    u, v = np.meshgrid(angle / (2 * np.pi), length / length[-1])
    return Mesh(vertices, _grid_triangles(len(centres), sides + 1), np.stack([u.ravel(), v.ravel()], 1))


def lathed(heights: ArrayLike, radii: ArrayLike, sides: int = 18, squash: float = 1.0) -> Mesh:
    """A solid of revolution about z."""
    z = np.asarray(heights, np.float64)
    return tube(np.stack([np.zeros_like(z), np.zeros_like(z), z], 1), radii, sides, squash)


def capsule(length: float, start: float, end: float, sides: int = 8, squash: float = 1.0) -> Mesh:
    """A limb from the origin down to ``-length`` on z, round at both ends, with two radii."""
    angle = np.linspace(0.25, np.pi / 2, 3)
    heights = np.concatenate([start * np.cos(angle), -length - end * np.cos(angle[::-1])])
    radii = np.concatenate([start * np.sin(angle), end * np.sin(angle[::-1])])
    middle = np.array([0.33, 0.66])
    swell = start + (end - start) * middle + 0.12 * max(start, end) * np.sin(np.pi * middle)
    heights = np.concatenate([heights[:3], -length * middle, heights[3:]])
    radii = np.concatenate([radii[:3], swell, radii[3:]])
    return lathed(heights[::-1], radii[::-1], sides, squash)


def ellipsoid(radii: ArrayLike, detail: int = 8) -> Mesh:
    """An ellipsoid about the origin."""
    angle = np.linspace(0.1, np.pi - 0.1, detail)
    return lathed(-np.cos(angle), np.sin(angle), 3 * detail // 2).moved(scale=radii)


def box(size: ArrayLike, rounding: float = 0.0, detail: int = 2) -> Mesh:
    """A box about the origin, each face a grid of ``detail`` x ``detail`` vertices.

    Args:
        size: its three sides.
        rounding: 0: sharp; towards 1: an ellipsoid.
        detail: vertices along a side.
    """
    line = np.linspace(-1, 1, detail)
    u, v = (a.ravel() for a in np.meshgrid(line, line))
    faces = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            corners = np.zeros((detail * detail, 3))
            corners[:, axis] = sign
            corners[:, (axis + 1) % 3] = u * sign
            corners[:, (axis + 2) % 3] = v
            faces.append(Mesh(corners, _grid_triangles(detail, detail), np.stack([u, v], 1) / 2 + 0.5))
    mesh = merged(faces)
    unit = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    rounded = mesh.vertices * (1 - rounding) + unit * rounding
    return replace(mesh, vertices=rounded * np.asarray(size, np.float64) / 2)


def extruded(profile: ArrayLike, width: float, inset: float = 0.12) -> Mesh:
    """A flat outline in x and z given a width in y, its sides drawn in a little.

    Args:
        profile: ``(k, 2)`` corners, anticlockwise, star-shaped about their mean.
        width: between both sides.
        inset: how far the outer faces shrink towards the middle, as a share of the outline.
    """
    outline = np.asarray(profile, np.float64)
    outline = np.concatenate([outline, outline[:1]])
    middle = outline[:-1].mean(0)
    rows = []
    for place, shrink in ((-0.5, 1.0), (-0.5, inset), (-0.38, 0.0), (0.38, 0.0), (0.5, inset), (0.5, 1.0)):
        ring = outline + (middle - outline) * shrink
        rows.append(np.stack([ring[:, 0], np.full(len(ring), place * width), ring[:, 1]], 1))
    vertices = np.concatenate(rows)
    span = np.ptp(outline, axis=0) + 1e-9
    uv = np.stack([vertices[:, 0] / span[0] + vertices[:, 1] * 0.2, vertices[:, 2] / span[1]], 1)
    return Mesh(vertices, _grid_triangles(len(rows), len(outline))[:, ::-1], uv)


def ring(radius: float, thickness: float, detail: int = 28) -> Mesh:
    """A torus about y."""
    angle = np.linspace(0, 2 * np.pi, detail)
    path = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], 1) * radius
    return tube(path, thickness, 6)


def sheet(width: float, height: float, columns: int = 14, rows: int = 14) -> Mesh:
    """A sheet in x and z about the origin, seen from both sides."""
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)))
    vertices = np.stack([(u - 0.5) * width, np.zeros_like(u), (v - 0.5) * height], 1)
    return Mesh(vertices, _grid_triangles(rows, columns), np.stack([u, v], 1)).two_sided()


def mapped(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """New texture coordinates: around an axis of its own, or projected along one."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    seen = (mesh.vertices - (low + high) / 2) / (max(high - low) + 1e-9) @ turn
    if rng.random() < 0.4:
        uv = np.stack([np.abs(np.arctan2(seen[:, 1], seen[:, 0])) / np.pi, seen[:, 2] + 0.5], 1)
    else:
        uv = seen[:, :2] + 0.5
    return replace(mesh, uv=uv * rng.uniform(0.6, 1.0))


def read_obj(path: Path) -> Mesh:
    """The triangles of a Wavefront file; texture coordinates are left for `mapped`."""
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    for line in path.read_text(errors="ignore").splitlines():
        if line.startswith("v "):
            vertices.append([float(part) for part in line.split()[1:4]])
        elif line.startswith("f "):
            numbers = [int(part.split("/")[0]) for part in line.split()[1:]]
            corners = [i - 1 if i > 0 else i + len(vertices) for i in numbers]
            triangles += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
    return Mesh(np.array(vertices), np.array(triangles, np.int64), np.zeros((len(vertices), 2)))
