from pathlib import Path

import numpy as np
import pytest

from maskstream.rendering import bodies, figures
from maskstream.rendering.meshes import box, capsule, ellipsoid, extruded, merged, read_obj, ring, sheet, tube
from maskstream.rendering.motion import quaternion, turn_about, turned, wandering

SOLIDS = {
    "box": box([1.0, 2.0, 3.0], detail=4),
    "capsule": capsule(1.0, 0.2, 0.1),
    "ellipsoid": ellipsoid([0.5, 0.7, 0.9]),
    "extruded": extruded([(1, 0), (1, 1), (0, 1.5), (-1, 1), (-1, 0)], 0.8),
    "tube": tube([[0, 0, 0], [0.2, 0, 1], [0, 0.5, 2]], 0.1),
    "ring": ring(1.0, 0.1),
}


def volume(mesh):
    """By the divergence theorem; negative if the triangles face inwards."""
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_face_outwards(name) -> None:
    assert volume(SOLIDS[name]) > 0


def test_volumes_are_about_the_solids() -> None:
    assert volume(SOLIDS["box"]) == pytest.approx(6.0)
    assert volume(ellipsoid([0.5, 0.7, 0.9], 40)) == pytest.approx(4 / 3 * np.pi * 0.5 * 0.7 * 0.9, rel=0.03)


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_point_away_from_the_inside(name) -> None:
    mesh = SOLIDS[name]
    grown = mesh.vertices + 1e-3 * mesh.normals()
    assert volume(type(mesh)(grown, mesh.triangles, mesh.uv)) > volume(mesh)


def test_a_sheet_is_seen_from_both_sides() -> None:
    assert volume(sheet(1.0, 1.0)) == pytest.approx(0)
    normals = sheet(1.0, 1.0).normals()
    assert {-1.0, 1.0} == set(np.round(normals[:, 1], 6))


def test_merged_meshes_keep_their_triangles() -> None:
    both = merged([SOLIDS["box"], SOLIDS["ring"].moved([5, 0, 0])])
    assert volume(both) == pytest.approx(volume(SOLIDS["box"]) + volume(SOLIDS["ring"]))


def test_wavefront_files_are_read_with_polygons_and_numbers_from_the_end(tmp_path: Path) -> None:
    (tmp_path / "x.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1/1 2//2 3 -1\n")
    mesh = read_obj(tmp_path / "x.obj")
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize("seed", range(8))
def test_quaternions_turn_as_their_matrices_do(seed) -> None:
    turn = turned(np.random.default_rng(seed).uniform(-4, 4, 3))
    x, y, z, w = quaternion(turn)
    rebuilt = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    np.testing.assert_allclose(rebuilt, turn, atol=1e-9)


def test_turns_are_right_handed() -> None:
    np.testing.assert_allclose(turn_about(2, np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turn_about(1, np.pi / 2) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_wandering_is_smooth() -> None:
    course = wandering(np.random.default_rng(0), 1.0, 4)
    steps = np.diff([course(t) for t in np.linspace(0, 2, 400)], axis=0)
    assert 0 < np.abs(steps).max() < 0.15


BODIES = {
    "person": figures.person,
    "rider": figures.rider,
    "quadruped": figures.quadruped,
    "flier": bodies.flier,
    "swimmer": bodies.swimmer,
    "blob": bodies.blob,
    "cloth": bodies.cloth,
    "car": bodies.car,
    "bicycle": bodies.bicycle,
    "thin thing": bodies.thin_thing,
    "vessel": bodies.vessel,
    "block": bodies.block,
}


def placed(body, time):
    """All vertices of a body at a time."""
    found = []
    for part, (turn, place) in zip(body.parts, body.poses(time), strict=True):
        vertices = part.mesh.vertices if part.bent is None else part.bent(time)
        assert vertices.shape == part.mesh.vertices.shape
        found.append(vertices @ turn.T + place)
    return np.concatenate(found)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("seed", range(6))
def test_bodies_are_as_large_as_they_say_and_hang_together(kind, seed) -> None:
    body = BODIES[kind](np.random.default_rng(seed))
    for time in (0.0, 0.37, 1.4):
        vertices = placed(body, time)
        assert np.isfinite(vertices).all()
        assert np.ptp(vertices, axis=0).max() < 3.2 * body.size
        assert np.ptp(vertices, axis=0).max() > 0.3 * body.size
    assert all(0 <= part.surface < len(body.surfaces) for part in body.parts)


@pytest.mark.parametrize("kind", ["person", "rider", "quadruped", "flier", "swimmer", "blob", "cloth"])
def test_creatures_change_their_shape(kind) -> None:
    changes = []
    for seed in range(6):
        body = BODIES[kind](np.random.default_rng(seed))
        before, after = placed(body, 0.0), placed(body, 0.3)
        shift = after - before
        changes.append(np.linalg.norm(shift - shift.mean(0), axis=1).max() / body.size)
    assert np.median(changes) > 0.02


@pytest.mark.parametrize("seed", range(10))
def test_riders_hold_the_bars_and_stand_on_the_pedals(seed) -> None:
    target = np.random.default_rng(seed).uniform(-0.5, 0.5, 3) * [1, 0, 1]
    upper, lower = figures._reach(target, 0.5, 0.45, 1)
    knee = turn_about(1, upper) @ [0, 0, -0.5]
    foot = knee + turn_about(1, upper + lower) @ [0, 0, -0.45]
    np.testing.assert_allclose(foot, target, atol=0.06)


def test_people_who_walk_keep_near_the_floor() -> None:
    """A gait that sinks in or floats off would be seen at once."""
    for seed in range(30):
        body = figures.person(np.random.default_rng(seed))
        lowest = [placed(body, time)[:, 2].min() for time in np.linspace(0, 1, 12)]
        assert min(lowest) > -0.75
        assert min(lowest) < 0.4
