"""The plan of the house: arrows run down its floors only, and light parts import nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import maskstream

HOUSE = Path(maskstream.__file__).parent

FLOORS = {
    1: {"network", "video", "matte", "masks"},
    2: {"data", "background", "runtime"},
    3: {"training", "first_mask", "streaming"},
    4: {"replacement", "evaluation"},
    5: {"live", "jobs"},
    6: {"cli", "studio"},
}
#: Single files below all rooms, which import nothing of the house but one another.
GROUND = {"_faces", "arrays", "errors", "files", "plain_data", "tables"}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

WITHOUT_TORCH = {
    "streaming",
    "masks",
    "matte",
    "background",
    "video",
    "replacement",
    "live",
    "first_mask",
    "jobs",
}
TRAINS_ANYWHERE = {"network", "data", "training"}
DRAWN = "data/drawn.py"  # for the demo and the tests; not imported by the rest of its room
#: What scores networks while or after they train.
JUDGES = {"evaluation/checkpoints.py", "evaluation/ablation_runs.py"}


def modules():
    return {path.relative_to(HOUSE).as_posix(): path for path in sorted(HOUSE.rglob("*.py"))}


def imports(path):
    """Absolute names of all that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports within the package are written in full"
            # A name may be a module too: `from maskstream import cli`.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name):
    return name.split("/")[0] if "/" in name else None


def roots(path):
    return {name.split(".")[0] for name in imports(path)}


def test_every_room_has_a_floor():
    assert {room_of(name) for name in modules()} - {None} <= FLOOR_OF.keys() | {"weights"}


@pytest.mark.parametrize("name", [name for name in modules() if room_of(name) in FLOOR_OF])
def test_arrows_run_down_only(name):
    own = room_of(name)
    for imported in imports(modules()[name]):
        parts = imported.split(".")
        if parts[0] != "maskstream" or parts[1] in GROUND | {own}:
            continue
        if parts[1] in FLOOR_OF:
            assert FLOOR_OF[parts[1]] < FLOOR_OF[own], f"{name} imports {imported}"
        else:  # the public face, which hides where its names live
            assert FLOOR_OF[own] == max(FLOORS), f"{name} imports {imported} by way of the public face"


@pytest.mark.parametrize("name", sorted(GROUND))
def test_the_ground_floor_stands_on_nothing(name):
    path = HOUSE / f"{name}.py"
    within = {imported for imported in imports(path) if imported.split(".")[0] == "maskstream"}
    assert {imported.split(".")[1] for imported in within} <= GROUND
    assert roots(path) <= {"maskstream", "numpy", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", [name for name in modules() if room_of(name) in WITHOUT_TORCH])
def test_what_runs_everywhere_never_imports_torch(name):
    assert not roots(modules()[name]) & {"torch", "torchvision", "timm", "safetensors", "onnx"}


@pytest.mark.parametrize("name", [name for name in modules() if room_of(name) in TRAINS_ANYWHERE])
def test_training_needs_no_video_or_inference_library(name):
    forbidden = {"av", "onnxruntime", "rich"} | (set() if name == DRAWN else {"cv2"})
    assert not roots(modules()[name]) & forbidden


def import_all(names, blocked):
    """Import modules in a process of their own where some libraries are not installed."""
    dotted = [
        f"maskstream/{name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names
    ]
    code = (
        f"import importlib, sys; sys.modules.update(dict.fromkeys({sorted(blocked)}));"
        f"[importlib.import_module(name) for name in {dotted}]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_base_install_imports_without_the_extras():
    rooms = WITHOUT_TORCH | {"evaluation", "cli"}
    light = {name for name in modules() if room_of(name) in rooms} - JUDGES | {DRAWN, "runtime/load.py"}
    import_all(sorted(light), {"torch", "torchvision", "timm", "safetensors", "onnx", "pycocotools"})


@pytest.mark.torch
def test_training_imports_where_only_torch_and_timm_are():
    names = [name for name in modules() if room_of(name) in TRAINS_ANYWHERE and name != DRAWN]
    import_all(names, {"av", "cv2", "onnxruntime", "rich", "pycocotools"})


def test_importing_the_package_imports_nothing_heavy(heavy_imports):
    assert heavy_imports("import maskstream") == []
    assert heavy_imports("import numpy") == ["numpy"]  # it can tell


@pytest.mark.parametrize("name", maskstream.__all__)
def test_the_public_face_keeps_what_it_promises(name):
    assert getattr(maskstream, name).__name__ == name
