"""Jobs that are ended by signals at any moment: whole files, no traceback, the same bytes when resumed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.drawn_job_clip import names, tree

#: A process that works slowly enough to be hit anywhere, and saves often.
SLOW = """
from maskstream.__main__ import main
import os, sys, time
from maskstream.jobs import replace, segment
from maskstream.streaming.segmenter import VideoSegmenter

segment.SAVE_SECONDS = replace.SAVE_SECONDS = 0.1
step = VideoSegmenter.step
def slow_step(*args):
    time.sleep(float(os.environ["SLOWNESS"]))
    return step(*args)
VideoSegmenter.step = slow_step
sys.exit(main(sys.argv[1:]))
"""
SEGMENT = ["segment", "clip.mp4", "--mask", "3=3.png", "--backward", "--overlay", "over.mp4"]
REPLACE = ["replace", "clip.mp4", "--mask", "0.png", "--background", "green", "--matte", "matte"]
WORK = {
    "segment": ([*SEGMENT, "-o", "out"], ["out", "over.mp4"]),
    "replace": ([*REPLACE, "-o", "out"], ["out", "matte"]),
}
SEED = 20261128


def start(*arguments, slowness=0.05):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SLOWNESS": str(slowness)}
    command = [sys.executable, "-c", SLOW, *arguments, "--size", "64", "--threads", "1"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def run(*arguments):
    process = start(*arguments)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def wait_until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_killed_at_random_moments_and_resumed_a_job_gives_the_same_bytes(here: Path, name) -> None:
    """SIGKILL, SIGTERM, SIGHUP and Ctrl-C by turns, up to five times a run, until the run ends by itself."""
    arguments, outputs = WORK[name]
    began = time.monotonic()
    assert run(*arguments)[0] == 0
    whole_time = time.monotonic() - began
    whole = {output: tree(output) for output in outputs if Path(output).is_dir()}
    for output in outputs:
        shutil.rmtree(output) if Path(output).is_dir() else Path(output).unlink()
    moments = random.Random(SEED)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
    ended = []
    for _ in range(5):
        resume = ["--resume"] if Path(".out.unfinished/snapshot.npz").exists() else []
        process = start(*arguments, *resume)
        time.sleep(moments.uniform(0.3, 0.9) * whole_time)
        process.send_signal(moments.choice(signals))
        said = process.communicate(timeout=60)[1]
        ended.append(process.returncode)
        assert "Traceback" not in said
        if Path("out").exists():  # which it does only when it is whole; the program may end while it exits
            break
    if not Path("out").exists() or Path(".out.unfinished").exists():
        resume = ["--resume"] if Path(".out.unfinished/snapshot.npz").exists() else []
        code, said = run(*arguments, *resume)
        assert code == 0, said
    assert len(set(ended) - {0}) > 0  # something did come between
    assert {output: tree(output) for output in whole} == whole
    assert not [entry for entry in names(here) if entry.startswith(".")]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
def test_every_signal_that_ends_a_process_leaves_a_job_that_can_be_resumed(
    here: Path, number, code, word
) -> None:
    arguments, _ = WORK["segment"]
    process = start(*arguments)
    assert wait_until(lambda: any(Path(".out.unfinished/masks").glob("*.png")), process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert said.startswith(f"maskstream: {word}: stopped after frame ")
    assert said.endswith("run it again with --resume to continue\n")
    assert run(*arguments, "--resume")[0] == 0


def test_a_terminated_video_leaves_nothing(here: Path) -> None:
    before = names(here)
    process = start(*REPLACE[:-2], "-o", "deep/out.mp4")
    assert wait_until(lambda: Path("deep/.out.mp4.unfinished").exists(), process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    assert names(here) == before


def test_a_second_run_on_one_output_is_refused_while_the_first_works(here: Path) -> None:
    first = start(*REPLACE[:-2], "-o", "out.mp4", slowness=0.5)
    assert wait_until(lambda: Path(".out.mp4.unfinished").exists(), first)
    code, said = run(*REPLACE[:-2], "-o", "out.mp4", "--overwrite")
    assert first.wait(60) == 0
    assert code == 2
    assert said == (
        "maskstream: error: out.mp4: another run is writing it now; wait for it, or name another output\n"
    )
    assert Path("out.mp4").is_file()
    assert not [entry for entry in names(here) if entry.startswith(".")]


@pytest.mark.parametrize("again", ["--resume", "--overwrite"])
def test_a_run_is_not_resumed_or_replaced_while_it_works(here: Path, again) -> None:
    first = start(*SEGMENT, "-o", "out", slowness=0.3)
    assert wait_until(lambda: Path(".out.unfinished/snapshot.npz").exists(), first)
    code, said = run(*SEGMENT, "-o", "out", again)
    assert code == 2
    assert "out: another run is writing it now" in said
    assert first.wait(60) == 0
    assert len(names("out")) == 8


def test_two_runs_that_start_at_once_end_whole_or_in_one_line(here: Path) -> None:
    runs = [start(*REPLACE[:-2], "-o", "out.mp4") for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in runs]
    codes = sorted(process.returncode for process in runs)
    assert codes in ([0, 0], [0, 2]), said
    assert all("Traceback" not in text for text in said)
    from maskstream.video.read import read_video

    with read_video("out.mp4") as frames:
        assert len(list(frames)) == 8


@pytest.mark.slow
def test_ctrl_c_while_the_program_starts_prints_no_traceback() -> None:
    """From our first lines on; what Python itself does before that is not ours to mend."""
    program = "import sys; from maskstream.__main__ import main; sys.exit(main())"
    for delay in range(0, 300, 20):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-c", program, "models"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr:
            if line.rstrip().endswith(" maskstream.cli"):  # which the program imports after its first lines
                break
        time.sleep(delay / 1000)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        process.wait(60)
        assert "Traceback" not in said, f"after {delay} ms"
        assert process.returncode in (0, 130, -signal.SIGINT)
