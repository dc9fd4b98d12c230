"""Nothing leaves the machine: whole processes are traced, with the libraries that they load."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from maskstream.drawn_clips import draw_clip
from maskstream.masks.palette import write_label_map
from maskstream.video.write import VideoWriter

SWITCH = "ORT_DISABLE_TELEMETRY"
#: Loads the shipped network and uses it, by way of the public face.
LIBRARY = """
import numpy, maskstream
segmenter = maskstream.VideoSegmenter("live", size=64)
frame = numpy.zeros((64, 64, 3), numpy.uint8)
segmenter.step(frame, frame[..., 0] == 0, 1)
"""
#: The same by modules deep inside, in the order that would be worst.
DEEP = """
import numpy
from maskstream.first_mask.subject import SubjectFinder
from maskstream.runtime.onnx import OnnxRuntime
SubjectFinder()(numpy.zeros((64, 64, 3), numpy.uint8))
"""
#: Has ONNX Runtime do what it does of its own accord.
TALKATIVE = "import os, onnxruntime\n" + LIBRARY

#: What a process gets of the environment: where `CI` is set, ONNX Runtime reports nothing to test.
NEEDED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "TMPDIR")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", fps=24) as writer:
        for index, (frame, truth) in enumerate(draw_clip(3, 48, 64)):
            writer.write(frame)
            if index == 0:
                write_label_map(tmp_path / "first.png", truth)
    return tmp_path


def traced(folder: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """Run Python; what it then has in its home, and what it asked of the network."""
    home, trace = folder / "home", folder / "trace"
    home.mkdir()
    environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    strace = shutil.which("strace")
    tracing = [strace, "-f", "-qq", "-e", "trace=socket,connect,sendto,sendmmsg", "-o", str(trace)]
    command = [*(tracing if strace else []), sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    asked = [line for line in trace.read_text().splitlines() if "AF_INET" in line] if strace else []
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()), asked


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", LIBRARY),
        ("-c", DEEP),
        (
            "-m",
            "maskstream",
            "segment",
            "clip.mp4",
            "--mask",
            "first.png",
            "-o",
            "masks",
            "--size",
            "64",
            "-q",
        ),
        ("-m", "maskstream.cli", "models"),
    ],
    ids=["library", "modules", "command", "models"],
)
def test_no_process_leaves_a_trace_at_home_or_asks_the_network(
    clip: Path, arguments: tuple[str, ...]
) -> None:
    assert traced(clip, *arguments) == ([], [])


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 32), reason="reports nothing yet"
)
def test_without_the_switch_the_trace_shows_what_onnxruntime_leaves(tmp_path: Path) -> None:
    files, _ = traced(tmp_path, "-c", TALKATIVE)
    assert any("onnxruntime" in name for name in files)


@pytest.mark.torch
def test_no_other_library_reports_either(tmp_path: Path) -> None:
    code = (
        "import maskstream, av, cv2, PIL.Image, rich.console, torch, safetensors.torch, onnx\n"
        "from maskstream.network.backbone import TimmTrunk\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
        "SummaryWriter('logs').close(); TimmTrunk('efficientnet_lite0', finest=4)"
    )
    assert traced(tmp_path, "-c", code) == ([], [])


def test_who_has_imported_onnxruntime_before_is_told(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{first}; import maskstream, os; print(os.environ['{SWITCH}'])"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for first in ("import onnxruntime", "import sys", f"import os; os.environ['{SWITCH}'] = '0'")
    ]
    assert [each.stdout.strip() for each in said] == ["1", "1", "0"]
    assert "onnxruntime was imported before maskstream" in said[0].stderr
    assert said[1].stderr == said[2].stderr == ""
