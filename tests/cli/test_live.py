"""``maskstream live`` from its words to what a sink gets, with the synthetic source."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main
from maskstream.live.guard import Reason
from maskstream.live.session import LiveOptions, LiveSession
from maskstream.live.sources.drawn_room import draw_frame, draw_room, figure_mask
from maskstream.masks.palette import write_label_map
from maskstream.runtime import load
from maskstream.video.read import read_video

SIZE = 256, 144
SOURCE = "test:256x144@15"


@pytest.fixture
def here(monkeypatch, tmp_path):
    if "live" not in load.shipped_models():
        pytest.skip("no network is shipped in src/maskstream/weights/live")
    monkeypatch.chdir(tmp_path)
    write_label_map("figure.png", figure_mask(*SIZE, 0))
    return tmp_path


def live(*options):
    return main(["live", SOURCE, *map(str, options)])


class Seen:
    """A sink that keeps what it is shown, and lets others wait for a picture."""

    def __init__(self):
        self.name = "seen"
        self._changed = threading.Condition()
        self._last = None

    def open(self, size, fps, audio):
        pass

    def show(self, sealed, time):
        with self._changed:
            self._last = sealed
            self._changed.notify_all()

    def close(self):
        pass

    def wait_for(self, condition, limit=20):
        with self._changed:
            return self._changed.wait_for(lambda: self._last is not None and condition(self._last), limit)


def session_of(*outputs, on_stage=lambda name: None, **options):
    seen = Seen()
    session = LiveSession(LiveOptions(source=SOURCE, outputs=[*outputs, seen], **options), on_stage=on_stage)
    session.seen = seen
    return session


def run_while(session, use, limit=60.0):
    """Run a session in a thread, and use it from this one once composites leave."""
    errors = []

    def run():
        try:
            session.run()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while not session.seen.wait_for(lambda sealed: sealed.slate is None, 0.1):
            assert thread.is_alive(), errors
        use(session)
    finally:
        session.close()
        thread.join(10)
    assert not thread.is_alive()


def test_a_recording_shows_the_subject_before_the_background_and_never_the_room(here: Path) -> None:
    assert live("--mask", "figure.png", "--background", "#0000ff", "-o", "out.mp4", "--seconds", 4) == 0
    room = draw_room(*SIZE).reshape(-1, 3).mean(0)
    composites = 0
    with read_video("out.mp4") as frames:
        for frame in frames:
            corner = frame.image[5:20, 5:20].reshape(-1, 3).mean(0)
            assert np.abs(corner - room).max() > 40
            composites += int(corner[2] > 200 and corner[0] < 60)
    assert composites > 10


def test_milestones_come_in_order(here: Path) -> None:
    reached = []
    run_while(session_of(mask="figure.png", background="blur", on_stage=reached.append), lambda session: None)
    assert reached[0] == "source asked for"
    assert reached[-1] == "first picture"
    assert len(set(reached)) == len(reached)


def ask(address, path, body=None, header="1"):
    """What is answered; a GET for the status."""
    header = "get" if path == "/status.json" else header
    headers = {"X-Maskstream": header} if header else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    data = None if header == "get" else data
    with urllib.request.urlopen(
        urllib.request.Request(address.rstrip("/") + path, data, headers), timeout=10
    ) as answer:
        return json.loads(answer.read() or b"null")


def refusal(address, path, body):
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(address, path, body)
    assert "\n" not in json.loads(error.value.read())["error"]
    return error.value.code


def test_the_page_controls_the_stream(here: Path) -> None:
    Image.new("RGB", (16, 9), (255, 255, 0)).save("yellow.png")
    os.mkfifo("pipe")
    elsewhere = here.parent / f"{here.name}-private.png"
    Image.new("RGB", (16, 9)).save(elsewhere)
    Path("link.png").symlink_to(elsewhere)
    session = session_of(
        "page:0", mask="figure.png", background="#0000ff", background_folder=".", lost_seconds=None
    )
    seen = []

    def wait_for(condition):
        seen.append(session.seen.wait_for(condition))

    def use(session):
        address = session.places["page:0"]
        assert ask(address, "/status.json")["source"] == "live"
        ask(address, "/background", "yellow.png")
        wait_for(lambda sealed: tuple(sealed.image[5, 5]) == (255, 255, 0))
        ask(address, "/panic", True)
        wait_for(lambda sealed: sealed.slate is Reason.PANIC)
        assert ask(address, "/status.json")["slate"] == Reason.PANIC
        ask(address, "/panic", False)
        wait_for(lambda sealed: sealed.slate is None)
        for path, body, message in (
            ("/background", "no.jpg", "none of that name"),
            ("/background", 5, "give a name in JSON"),
            ("/subject", "nobody", "give auto"),
            ("/subject", "box:1,2", "give x,y,width,height"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(address, path, body)
            assert refused.value.code == 400
            assert message in json.loads(refused.value.read())["error"]
        with pytest.raises(urllib.error.HTTPError):
            ask(address, "/quit", "", header=None)
        for wrong in ({}, [], "", 0, "true"):
            ask(address, "/panic", True)
            assert refusal(address, "/panic", wrong) == 400
            assert session.panic
        ask(address, "/panic", None)
        assert not session.panic
        for box in ("box:9000,0,10,10", "box:-50,-50,20,20", "box:1e400,0,1,1", "box:nan,0,1,1"):
            assert refusal(address, "/subject", box) == 400
        for what in ("/", "..", "/etc/passwd", "x" * 300, "a\0b", "../" + "y" * 5000, "pipe", "link.png", ""):
            assert refusal(address, "/background", what) == 400
        for body in (b"[" * 50_000, b"\xff\xfe", b"", b"{", b"9" * 5000):
            assert refusal(address, "/background", body) == 400
        wait_for(lambda sealed: sealed.slate is None)
        assert session.status.frames_a_second > 0
        ask(address, "/quit", "")

    run_while(session, use)
    assert seen == [True, True, True, True]


def test_a_green_screen_is_noticed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    green = np.full((144, 256, 3), (40, 180, 70), np.uint8)
    person = figure_mask(*SIZE, 0) > 0
    green[person] = draw_frame(draw_room(*SIZE), 0)[person]
    Path("screen").mkdir()
    for index in range(10):
        Image.fromarray(green).save(f"screen/{index:02d}.png")
    from maskstream.video.write import VideoWriter

    with VideoWriter("screen.mp4", fps=10) as writer:
        for _ in range(20):
            writer.write(green)
    options = ("--green-screen", "--background", "#0000ff", "-o", "out.mp4", "--loop", "--seconds", "3")
    assert main(["live", "screen.mp4", *options]) == 0
    with read_video("out.mp4") as frames:
        last = list(frames)[-1].image.astype(int)
    assert np.abs(last[5, 5] - (0, 0, 255)).max() < 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--background", "no.jpg"), r"no\.jpg: no such file"),
        (("--background", "transparent"), "transparent: no such file"),
        (("--background", "blur", "-o", "nowhere"), "nowhere: no sink"),
        (
            ("--background", "blur", "--mask", "small.png", "-o", "page:0"),
            r"small\.png: is 20x10, the stream",
        ),
        (
            ("--background", "blur", "--slate", "no.png", "--mask", "figure.png", "-o", "page:0"),
            r"no\.png: no",
        ),
        (("--background", "blur", "--model", "nix", "-o", "page:0"), "nix"),
        (("--background", "blur", "-o", "page:0", "-o", "page:0"), "asked for twice"),
    ],
)
def test_bad_input_is_one_line(here: Path, capsys: pytest.CaptureFixture[str], options, message) -> None:
    Image.new("L", (20, 10), 255).save("small.png")
    assert live(*options) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, said[-1])
    assert said[-1].startswith("maskstream: error: ")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no.mp4", r"no\.mp4"),
        ("gopher://x", "gopher"),
        ("test:5x5@1", "test:5x5@1"),
        ("text.txt", r"text\.txt"),
    ],
)
def test_a_source_that_is_none_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], source, message
) -> None:
    Path("text.txt").write_text("no video")
    options = ("--mask", "figure.png", "--background", "blur", "-o", "page:0")
    assert main(["live", source, *options]) == 2
    assert re.search(message, capsys.readouterr().err.strip().splitlines()[-1])


@pytest.mark.parametrize("options", [("--box", "1,2"), ("--lost", "soon"), ("--picture", "big")])
def test_words_that_mean_nothing_are_refused(here: Path, capsys: pytest.CaptureFixture[str], options) -> None:
    with pytest.raises(SystemExit) as refused:
        live("--background", "blur", *options)
    assert refused.value.code == 2
    assert "give" in capsys.readouterr().err


def test_who_was_followed_is_known_the_next_time(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    options = ("--background", "blur", "-o", "page:0", "--seconds", 3)
    assert live("--mask", "figure.png", *options, "--remember") == 0
    kept = [path for path in (here / "cache").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert str(kept[0]) in capsys.readouterr().err
    session = session_of(subject="last", background="blur")
    run_while(session, lambda session: None)


def test_files_are_replaced_only_if_that_is_said_and_never_what_is_read(here, capsys):
    from maskstream.video.write import VideoWriter

    with VideoWriter("clip.mp4", fps=10) as writer:
        for index in range(5):
            writer.write(draw_frame(draw_room(*SIZE), index))
    Image.new("RGB", (16, 9)).save("behind.mp4.png")
    before = hashlib.md5(Path("clip.mp4").read_bytes()).hexdigest()
    Path("taken.mp4").write_bytes(b"precious")
    options = ("--mask", "figure.png", "--background", "#0000ff")
    assert live(*options, "-o", "taken.mp4") == 2
    assert "exists; give --overwrite" in capsys.readouterr().err
    assert Path("taken.mp4").read_bytes() == b"precious"
    Path("link.mp4").symlink_to("clip.mp4")
    for output in ("clip.mp4", "./clip.mp4", str(here / "clip.mp4"), "link.mp4"):
        assert main(["live", "clip.mp4", *options, "--overwrite", "-o", output]) == 2
        assert "is read by this stream" in capsys.readouterr().err
    assert hashlib.md5(Path("clip.mp4").read_bytes()).hexdigest() == before
    assert live(*options, "-o", "new.mp4", "-o", "./new.mp4") == 2
    assert "two outputs" in capsys.readouterr().err
    assert live(*options, "-o", "taken.mp4", "--overwrite", "--seconds", 2) == 0
    assert Path("taken.mp4").read_bytes() != b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_whole_files(here, number):
    command = [sys.executable, "-m", "maskstream", "live", SOURCE, "--mask", "figure.png", "-o", "out.mp4"]
    process = subprocess.Popen([*command, "--background", "blur"], stderr=subprocess.PIPE, text=True)
    while not list(here.glob("out.part*.mp4")):
        assert process.poll() is None, process.stderr.read()
    threading.Event().wait(1.0)
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert "Traceback" not in said
    assert not list(here.glob("*part*"))
    with read_video("out.mp4") as frames:
        assert sum(1 for _ in frames) > 0
