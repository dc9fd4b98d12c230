"""The plan of the house: arrows run down its floors only, and light parts import nothing heavy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import maskstream

HOUSE = Path(maskstream.__file__).parent
ROOT = Path(__file__).parents[1]

FLOORS = {
    1: {"datasets", "network", "video", "matte", "masks"},
    2: {"clips", "rendering", "background", "runtime"},
    3: {"training"},
    4: {"adaptation"},
    5: {"first_mask", "streaming"},
    6: {"replacement", "scoring"},
    7: {"live", "jobs", "judging"},
    8: {"ablation"},
    9: {"cli"},
}
#: Single files below all packages, which import nothing of the house but one another.
GROUND = {
    "addresses",
    "_faces",
    "_privacy",
    "arrays",
    "drawn_clips",
    "errors",
    "files",
    "pictures",
    "plain_data",
    "tables",
}
FLOOR_OF = {package: floor for floor, packages in FLOORS.items() for package in packages}

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
    "datasets",
    "scoring",
    "rendering",
}
TRAINS_ANYWHERE = {"network", "datasets", "clips", "training"}
#: What runs networks while or after they train.
JUDGES = {"judging/judges.py", "judging/train.py", "ablation/experiments.py", "ablation/ablate.py"}


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


def package_of(name):
    return name.split("/")[0] if "/" in name else None


def roots(path):
    return {name.split(".")[0] for name in imports(path)}


def test_every_room_has_a_floor():
    assert {package_of(name) for name in modules()} - {None} <= FLOOR_OF.keys() | {"weights"}


@pytest.mark.parametrize("name", [name for name in modules() if package_of(name) in FLOOR_OF])
def test_arrows_run_down_only(name):
    own = package_of(name)
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
    assert roots(path) <= {"maskstream", "numpy", "cv2", "PIL", *sys.stdlib_module_names}


def test_the_ground_floor_is_all_that_stands_outside_the_rooms():
    single = {name.removesuffix(".py") for name in modules() if "/" not in name}
    assert single == GROUND | {"__init__", "__main__"}


def test_the_table_in_contributing_is_the_plan():
    rows = re.findall(r"^\| (\d) \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    table = {int(floor): set(re.findall(r"`(\w+)`", names)) for floor, names in rows}
    assert table == FLOORS | {0: {name for name in GROUND if name[0] != "_"}}


def test_no_import_runs_in_a_circle():
    """Within packages too, and by way of imports inside functions or for types alone."""
    files = {dotted(name): path for name, path in modules().items()}
    graph = {name: {home_of(imported, files) for imported in imports(path)} for name, path in files.items()}
    for name, targets in graph.items():
        targets -= {name, None, *packages_of(name)}
    assert circle_in(graph) is None
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]  # it can tell


def dotted(name):
    return f"maskstream/{name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def home_of(imported, files):
    """The module that an absolute name is of, or is."""
    while imported and imported not in files:
        imported = imported.rpartition(".")[0]
    return imported or None


def packages_of(name):
    """The packages around a module, which are imported before it in any case."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def circle_in(graph):
    """Names along a way that ends where it began; None if there is none."""
    done = set()

    def follow(name, way):
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return None
        for target in sorted(graph[name]):
            if found := follow(target, [*way, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := follow(name, []))), None)


@pytest.mark.parametrize("name", [name for name in modules() if package_of(name) in WITHOUT_TORCH])
def test_what_runs_everywhere_never_imports_torch(name):
    assert not roots(modules()[name]) & {"torch", "torchvision", "timm", "safetensors", "onnx"}


@pytest.mark.parametrize("name", [name for name in modules() if package_of(name) in TRAINS_ANYWHERE])
def test_training_needs_no_video_or_inference_library(name):
    assert not roots(modules()[name]) & {"av", "cv2", "onnxruntime", "rich"}


def import_all(names, blocked):
    """Import modules in a process of their own where some libraries are not installed."""
    code = (
        f"import importlib, sys; sys.modules.update(dict.fromkeys({sorted(blocked)}));"
        f"[importlib.import_module(name) for name in {[dotted(name) for name in names]}]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_base_install_imports_without_the_extras():
    packages = WITHOUT_TORCH | {"ablation", "judging", "cli"}
    light = {name for name in modules() if package_of(name) in packages} - JUDGES | {"runtime/load.py"}
    ground = {f"{name}.py" for name in GROUND}
    import_all(sorted(light | ground), {"torch", "torchvision", "timm", "safetensors", "onnx", "pycocotools"})


@pytest.mark.torch
def test_training_imports_where_only_torch_and_timm_are():
    names = [name for name in modules() if package_of(name) in TRAINS_ANYWHERE]
    import_all(names, {"av", "cv2", "onnxruntime", "rich", "pycocotools"})


def test_importing_the_package_imports_nothing_heavy(heavy_imports):
    assert heavy_imports("import maskstream") == []
    assert heavy_imports("import numpy") == ["numpy"]  # it can tell


@pytest.mark.parametrize("name", maskstream.__all__)
def test_the_public_face_keeps_what_it_promises(name):
    assert getattr(maskstream, name).__name__ == name
