"""Streams to servers on this machine, read back; servers that hang, go away or aren't there."""

import http.server
import socket
import sys
import threading
import time
from itertools import count

import av
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.audio import AudioTap
from maskstream.live.sinks import SinkRunner, open_sink
from tests.helpers.sink_tools import FLASHES, SIZE, beginnings, eventually, piece, sealed

FPS = 25
RED = (220, 30, 40)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server(threading.Thread):
    """Listens for one stream, by FFmpeg, and keeps what it gets."""

    def __init__(self, address, seconds=3.0, **options):
        super().__init__(daemon=True)
        self.address, self.options, self.seconds = address, options, seconds
        self.pictures, self.sound, self.error = [], [], None
        self.codecs = {}
        self.start()

    def run(self):
        try:
            with av.open(self.address, options=self.options, timeout=60) as container:
                streams = [*container.streams.video, *container.streams.audio]
                self.codecs = {stream.type: stream.codec_context.name for stream in streams}
                for frame in container.decode(streams):
                    if frame.pts is None:  # RTSP tells the time with its first report
                        continue
                    at = float(frame.pts * frame.time_base)
                    if isinstance(frame, av.AudioFrame):
                        self.sound.append((at, frame.to_ndarray()[0], frame.sample_rate))
                        continue
                    self.pictures.append((at, frame.to_ndarray(format="rgb24").mean()))
                    if self.pictures[-1][0] - self.pictures[0][0] > self.seconds:
                        return
        except Exception as error:
            self.error = error


def stream(runner, until, beeps=None, seconds=60.0):
    """Show a stream that flashes (and beeps) at the clock's pace until something holds."""
    begun = time.monotonic()
    late, put = 0.2, count()
    fed = 0.0
    for number in count():
        now = begun + number / FPS
        time.sleep(max(0.0, now - time.monotonic()))
        while beeps is not None and fed < number / FPS + 0.1:
            fed = next(put) * 0.02
            beeps.put(begun - late + fed, piece(fed % 4, 0.02))
        flash = any(at <= number / FPS % 4 < at + 0.1 for at in FLASHES)
        captured = now - late
        runner.show(sealed((255, 255, 255) if flash else (0, 0, 0), captured), now)
        if until():
            return
        assert time.monotonic() - begun < seconds, runner.status


@pytest.fixture
def run():
    runners = []

    def start(text, audio=None, **options):
        runner = SinkRunner([open_sink(text)], **options)
        runners.append(runner)
        runner.open(SIZE, FPS, audio)
        return runner

    yield start
    for runner in runners:
        runner.close()


KINDS = {
    "udp": ("udp://127.0.0.1:{}", "udp://127.0.0.1:{}", {"fifo_size": "10000", "overrun_nonfatal": "1"}),
    "tcp": ("tcp://127.0.0.1:{}", "tcp://127.0.0.1:{}?listen=1", {}),
    "rtmp": ("rtmp://127.0.0.1:{}/live/secret", "rtmp://127.0.0.1:{}/live/secret", {"listen": "1"}),
    "rtsp": (
        "rtsp://127.0.0.1:{}/live",
        "rtsp://127.0.0.1:{}/live",
        {"rtsp_flags": "listen", "listen_timeout": "30"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_arrives_with_its_sound_beside_its_pictures(run, kind) -> None:
    address, listen, options = KINDS[kind]
    port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    server = Server(listen.format(port), seconds=5.0, **options)
    tap = AudioTap()
    runner = run(address.format(port), tap, back_off=(0.2, 1.0))
    stream(runner, lambda: not server.is_alive(), tap)
    assert server.error is None
    assert server.codecs == {"video": "h264", "audio": "aac"}
    times, levels = np.array(server.pictures).T
    assert np.diff(times).min() > 0
    flashes = beginnings(times[1:], levels[1:] > 128)
    at = np.concatenate([start + np.arange(len(one)) / rate for start, one, rate in server.sound])
    loud = np.concatenate([np.abs(one) > 0.2 for _, one, _ in server.sound])
    beeps = beginnings(at, loud)
    matched = [min((beep - flash for beep in beeps), key=abs) for flash in flashes[1:-1]]
    assert matched
    assert np.abs(matched).max() < 2 / FPS


def test_what_is_secret_in_an_address_is_not_told() -> None:
    sink = open_sink("rtmp://user:word@127.0.0.1:1935/live/secret?key=secret")
    assert sink.name == "rtmp://127.0.0.1:1935"


def test_a_server_that_is_not_there_is_tried_again_until_it_is(run) -> None:
    port = free_port()
    runner = run(f"rtmp://127.0.0.1:{port}/live/x", back_off=(0.1, 0.5))
    stream(runner, lambda: "refused" in runner.status[f"rtmp://127.0.0.1:{port}"])
    server = Server(f"rtmp://127.0.0.1:{port}/live/x", seconds=0.5, listen="1")
    stream(runner, lambda: not server.is_alive())
    assert server.error is None
    assert server.pictures


def test_a_server_that_goes_away_is_connected_to_again(run) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    runner = run(address, back_off=(0.1, 0.5))
    for _ in range(2):
        server = Server(f"{address}?listen=1", seconds=0.5)
        stream(runner, lambda server=server: not server.is_alive())
        assert server.error is None


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "http"])
def test_a_server_that_never_answers_stops_nothing_and_is_given_up_for_a_while(
    run, scheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg waits for such servers in calls that let no Python thread run."""
    monkeypatch.setattr("maskstream.live.sinks.network._LONGEST_CALL", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        name = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        runner = run(f"{name}/x", back_off=(30.0, 30.0))
        longest, before = 0.0, time.monotonic()

        def given_up():
            nonlocal longest, before
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            return "not answered" in runner.status[name]

        stream(runner, given_up)
        assert longest < 1.5
        assert not runner.given_up


def test_closing_while_a_server_does_not_answer_takes_a_second_at_most(run) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        runner = run(f"rtmp://127.0.0.1:{silent.getsockname()[1]}/x")
        stream(runner, lambda: "connecting" in runner.status.values())
        process = runner._lanes[0]._sink._sender._process
        start = time.monotonic()
        runner.close()
        assert time.monotonic() - start < 1.5
        eventually(lambda: process.poll() is not None)


def test_a_server_that_takes_nothing_any_more_does_not_hold_up_the_end(run) -> None:
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.bind(("127.0.0.1", 0))
        lazy.listen()
        name = f"tcp://127.0.0.1:{lazy.getsockname()[1]}"
        runner = run(name)
        stream(runner, lambda: runner.status[name] == "ok")
        process = runner._lanes[0]._sink._sender._process
        start = time.monotonic()
        runner.close()
        assert time.monotonic() - start < 1.5
        eventually(lambda: process.poll() is not None, 30)


def test_whip_offers_h264_and_opus(run) -> None:
    offers = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            offers.append((self.headers["Content-Type"], body.decode()))
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    name = f"http://127.0.0.1:{server.server_port}"
    runner = run(f"{name}/whip", AudioTap(), back_off=(0.1, 0.1))
    stream(runner, lambda: offers and runner.status[name] not in ("connecting", "opening"))
    server.shutdown()
    server.server_close()
    kind, offer = offers[0]
    assert kind == "application/sdp"
    assert "H264" in offer
    assert "opus" in offer
    assert not runner.given_up


def test_what_this_pyav_can_not_send_is_said_in_one_line(run) -> None:
    if "srt" in _protocols():
        pytest.skip("this PyAV can")
    runner = run("srt://127.0.0.1:9000")
    stream(runner, lambda: runner.given_up)
    assert runner.given_up == {
        "srt://127.0.0.1:9000": "this PyAV can't send to srt://; use rtmp:// or rtsp://"
    }


def _protocols():
    try:
        av.open("srt://127.0.0.1:1?connect_timeout=1", "r", timeout=1)
    except av.error.ProtocolNotFoundError:
        return ()
    except Exception:
        return ("srt",)
    return ("srt",)


def test_a_muxer_that_this_pyav_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "formats_available", {"flv"})
    with pytest.raises(InputError, match="can't send whip"):
        open_sink("https://127.0.0.1/whip")


def test_only_sealed_frames_are_sent() -> None:
    sink = open_sink(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    sink.open(SIZE, 30.0, None)
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(sealed().image, 0.0)
    sink.close()


def test_the_sending_process_imports_little() -> None:
    """It is started anew with each attempt."""
    code = "import maskstream.live.sinks.push, sys; print(*{'cv2', 'onnxruntime'} & set(sys.modules))"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
