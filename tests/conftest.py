"""What every test may ask for: the real data, the reference outputs, and few threads."""

import os
import subprocess
import sys
from pathlib import Path

# Set before NumPy and torch are imported: small arrays are slower, not faster, on many threads.
os.environ.setdefault("OMP_NUM_THREADS", "2")
# Before ONNX Runtime is imported, which a test may do before maskstream.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import cv2
import pytest

THREADS = 2


@pytest.fixture(autouse=True, scope="session")
def _few_threads():
    cv2.setNumThreads(THREADS)


@pytest.fixture(autouse=True)
def _torch_ready(request):
    """Skip tests of the train extra where it is absent, and keep torch to few threads where it is there."""
    if request.node.get_closest_marker("torch") is not None:
        torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'maskstream[train]'")
        torch.set_num_threads(THREADS)


@pytest.fixture
def heavy_imports():
    """Which heavy libraries some code imports, run in a process of its own; gives their sorted names."""

    def run(code):
        heavy = {"numpy", "cv2", "av", "onnxruntime", "torch", "PIL"}
        listed = f"import sys; {code}; print(*sorted({heavy} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", listed], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.split()

    return run


def folder_from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"{variable} names no folder: {folder}")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real images and videos (see CONTRIBUTING.md); the test is skipped where there are none."""
    return folder_from_environment("MASKSTREAM_DATA")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The reference outputs (see CONTRIBUTING.md); the test is skipped where there are none."""
    return folder_from_environment("MASKSTREAM_GOLDEN")
