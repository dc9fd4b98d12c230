"""Real sources: drawn, files, streams on loopback; devices as far as there are any without a camera."""

import http.server
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import partial
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.capture import Capture, Health
from maskstream.live.sources import devices, drawn_room
from maskstream.live.sources.clock import Clock
from maskstream.live.sources.devices import DeviceFeed
from maskstream.live.sources.network import network_options
from maskstream.live.sources.open import open_source
from maskstream.live.sources.source import Request, SourceError
from maskstream.video.colour import ColourTags

PATIENT = 20.0  # seconds until a test gives up
WIDTH, HEIGHT, FPS = 320, 180, 30


def write_clip(target, seconds=1.0, container=None, options=None, sound=True, stop=None, rotation=0):
    """A video of the drawn room with a tone, to a file or at real-time pace to a network."""
    paced = stop is not None
    with av.open(str(target), "w", format=container, options=options or {}) as output:
        video = output.add_stream("mpeg2video" if paced or container == "hls" else "mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate, video.gop_size = 4_000_000, 10
        if rotation:
            video.set_display_rotation(rotation)
        audio = output.add_stream("mp2", rate=48000) if sound else None
        room, begun, samples = drawn_room.draw_room(WIDTH, HEIGHT), time.monotonic(), 0
        for index in range(round(seconds * FPS)):
            if paced and stop.wait(max(0.0, begun + index / FPS - time.monotonic())):
                break
            frame = av.VideoFrame.from_ndarray(drawn_room.draw_frame(room, index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(video.encode(frame))
            while audio is not None and samples < (index + 1) * 48000 // FPS:
                piece = av.AudioFrame.from_ndarray(
                    np.zeros((1, 2304), np.int16), format="s16", layout="stereo"
                )
                piece.sample_rate, piece.pts, piece.time_base = 48000, samples, Fraction(1, 48000)
                samples += 1152
                output.mux(audio.encode(piece))
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    return target


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


def wait_for(said):
    """Wait until something is so; fails if it never is."""
    end = time.monotonic() + PATIENT
    while not said():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def frames_until_end(capture):
    frames, limit = [], time.monotonic() + PATIENT
    while capture.health is not Health.ENDED:
        assert time.monotonic() < limit, capture.why
        frame = capture.frames.get(0.05)
        frames += [frame] if frame is not None else []
    last = capture.frames.get(0)
    return frames + ([last] if last is not None else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing is named"),
        ("nowhere.mp4", "nowhere.mp4: no such file"),
        ("camera:97", "/dev/video97: no such camera"),
        ("/dev/video97", "/dev/video97: no such camera"),
        ("camera:١", "no such camera"),
        ("gopher://host/x", "gopher:// is not known"),
        ("rtsp://", "no server is named"),
        ("http:///x", "no server is named"),
        ("test:", "test:1280x720@30"),
        ("test:1280x720@0", "frames a second"),
        ("test:8x8@30", "64 to 8192"),
        ("test:1280x720@30@30", "write it as"),
        ("test:99999x99999@30", "64 to 8192"),
        (".", "it is a folder"),
    ],
)
@pytest.mark.skipif("sys.platform != 'linux'")
def test_what_is_no_source_is_said_in_a_line(text, said):
    with pytest.raises(InputError) as refused:
        open_source(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_video_is_said_in_a_line(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing to see here")
    with closing(Capture(path)) as capture:
        with pytest.raises(InputError, match="notes") as refused:
            capture.wait_ready(PATIENT)
        assert "\n" not in str(refused.value)


def test_a_protocol_that_ffmpeg_lacks_is_said_in_a_line(monkeypatch):
    def lacking(*args, **kwargs):
        raise av.error.ProtocolNotFoundError(1, "Protocol not found")

    monkeypatch.setattr("av.open", lacking)
    with closing(Capture("srt://127.0.0.1:9")) as capture, pytest.raises(InputError, match="has no srt://"):
        capture.wait_ready(PATIENT)


def test_passwords_and_keys_are_kept_out_of_messages():
    assert open_source("rtsp://me:secret@host:554/live?key=hidden").name == "rtsp://host:554/live"


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http", "udp", "tcp", "srt"])
def test_every_protocol_has_a_time_limit(scheme):
    options = network_options(f"{scheme}://host")
    assert options.get("timeout") or options.get("rw_timeout")


@pytest.mark.parametrize("index", [0, 1, 1000, 2**24 - 1])
def test_a_drawn_frame_tells_its_index_at_any_size(index):
    frame = drawn_room.draw_frame(drawn_room.draw_room(1280, 720), index)
    assert drawn_room.read_index(frame) == index
    assert drawn_room.read_index(cv2.resize(frame, (427, 240), interpolation=cv2.INTER_AREA)) == index
    assert drawn_room.read_index(cv2.resize(frame, (1920, 1080))) == index


def test_the_drawn_figure_is_where_its_mask_says_and_leaves_and_returns():
    room, sizes = drawn_room.draw_room(WIDTH, HEIGHT), []
    for index in range(0, round(drawn_room.WALK * FPS), 10):
        mask = drawn_room.figure_mask(WIDTH, HEIGHT, index, FPS)
        frame = drawn_room.draw_frame(room, index, FPS)
        body = HEIGHT - max(4, HEIGHT // 32)  # above the strip
        assert np.array_equal((frame != room).any(axis=2)[:body], mask[:body] > 0)
        sizes.append(int(mask.sum()))
    away = [index for index, size in enumerate(sizes) if size == 0]
    assert sizes[0] > 0.05 * WIDTH * HEIGHT
    assert sizes[-1] > 0.05 * WIDTH * HEIGHT
    assert away == list(range(away[0], away[-1] + 1))
    assert len(away) * 10 / FPS >= drawn_room.AWAY - 0.5


def test_the_drawn_source_comes_in_real_time_and_tells_the_time():
    with closing(Capture(f"test:{WIDTH}x{HEIGHT}@{FPS}")) as capture:
        assert capture.wait_ready(PATIENT)
        assert (capture.size, capture.frame_rate) == ((WIDTH, HEIGHT), FPS)
        taken = [capture.frames.get(PATIENT) for _ in range(15)]
        shown = [drawn_room.read_index(frame.image) for frame in taken]
        assert all(a < b for a, b in pairwise(shown))
        seconds = taken[-1].captured - taken[0].captured
        assert seconds > (shown[-1] - shown[0]) / FPS - 0.2  # never early


def test_a_file_is_shown_in_real_time_to_its_last_frame(clip):
    begun = time.monotonic()
    with closing(Capture(clip)) as capture:
        frames = frames_until_end(capture)
        assert time.monotonic() - begun > 0.9  # of its second
        shown = [drawn_room.read_index(frame.image) for frame in frames]
        assert shown[-1] == FPS - 1
        assert all(a < b for a, b in pairwise(shown))
        due = [frames[0].captured + (index - shown[0]) / FPS for index in shown]
        assert all(f.captured > time_due - 0.1 for f, time_due in zip(frames, due, strict=True))
        assert "the file has ended" in capture.why


def test_a_looped_file_begins_again_without_a_gap_in_its_stamps(clip):
    with closing(Capture(clip, loop=True)) as capture:
        shown = [drawn_room.read_index((frame := capture.frames.get(PATIENT)).image)]
        first = frame.captured
        while sum(b < a for a, b in pairwise(shown)) < 2:
            frame = capture.frames.get(PATIENT)
            shown.append(drawn_room.read_index(frame.image))
        assert frame.captured - first > 1.5  # two beginnings later
        assert capture.health is Health.LIVE


def test_the_sound_of_a_file_is_on_the_clock_of_its_frames(clip):
    with closing(Capture(clip)) as capture:
        frames = frames_until_end(capture)
        heard = capture.audio.reader().take()
        rate = heard[0].frame.sample_rate
        assert rate == 48000
        gaps = [b.captured - a.captured - a.frame.samples / rate for a, b in pairwise(heard)]
        assert max(map(abs, gaps)) < 0.005
        began = frames[0].captured - drawn_room.read_index(frames[0].image) / FPS
        assert abs(heard[0].captured - began) < 0.3
        assert 0.8 < capture.audio.seconds < 1.2


def test_sound_that_nobody_wants_is_not_held(clip):
    with closing(Capture(clip, sound=False)) as capture:
        assert capture.wait_ready(PATIENT)
        assert capture.audio is None


def test_a_turned_file_comes_upright(tmp_path):
    try:
        path = write_clip(tmp_path / "turned.mp4", 0.3, sound=False, rotation=90)
    except AttributeError:
        pytest.skip("this PyAV writes no rotation")
    with closing(Capture(path)) as capture:
        assert capture.frames.get(PATIENT).image.shape == (WIDTH, HEIGHT, 3)
        assert capture.size == (HEIGHT, WIDTH)


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def sending(url, **kwargs):
    """A sender in a thread, at real-time pace, for a minute at most."""
    stop = threading.Event()
    sender = threading.Thread(target=write_clip, args=(url, 60), kwargs={"stop": stop, **kwargs}, daemon=True)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join(PATIENT)


def test_a_network_stream_is_shown_lost_and_found_again():
    url = f"udp://127.0.0.1:{free_port()}"
    with closing(Capture(url)) as capture:
        with sending(f"{url}?pkt_size=1316", container="mpegts"):
            assert capture.wait_ready(PATIENT)
            assert capture.size == (WIDTH, HEIGHT)
            frames = [capture.frames.get(PATIENT) for _ in range(10)]
            shown = [drawn_room.read_index(frame.image) for frame in frames]
            assert all(a < b for a, b in pairwise(shown))
            wait_for(lambda: capture.audio is not None and capture.audio.seconds > 0.2)
            heard = capture.audio.reader().take()
            assert abs(heard[-1].captured - time.monotonic()) < 3
        wait_for(lambda: capture.health is Health.STALLED)
        with sending(f"{url}?pkt_size=1316", container="mpegts"):
            wait_for(lambda: capture.health is Health.LIVE)
        assert capture.frames.get(PATIENT).index > frames[-1].index


def test_a_stream_that_is_damaged_goes_on():
    port, out = free_port(), free_port()
    stop, random = threading.Event(), np.random.default_rng(0)

    def relay():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.bind(("127.0.0.1", port))
            source.settimeout(0.1)
            while not stop.is_set():
                try:
                    packet = bytearray(source.recv(65536))
                except TimeoutError:
                    continue
                if random.random() < 0.1:
                    packet[random.integers(len(packet))] ^= 0xFF
                if random.random() > 0.02:
                    source.sendto(packet, ("127.0.0.1", out))

    relaying = threading.Thread(target=relay, daemon=True)
    relaying.start()
    url = f"udp://127.0.0.1:{port}?pkt_size=1316"
    with closing(Capture(f"udp://127.0.0.1:{out}")) as capture, sending(url, container="mpegts"):
        assert capture.wait_ready(PATIENT)
        first = capture._index
        wait_for(lambda: capture._index > first + 60)
    stop.set()
    relaying.join(PATIENT)


def test_a_server_that_is_not_there_is_told_and_tried_again(tmp_path):
    port = free_port(socket.SOCK_STREAM)
    with closing(Capture(f"tcp://127.0.0.1:{port}")) as capture:
        wait_for(lambda: capture.health is Health.LOST)
        assert "refused" in capture.why
        assert not capture.wait_ready(0)
        stream = write_clip(tmp_path / "stream.ts").read_bytes()

        class Server(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(stream)

        with socketserver.TCPServer(("127.0.0.1", port), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            assert capture.wait_ready(PATIENT)
            server.shutdown()


def test_a_stream_that_hangs_does_not_keep_the_program_from_ending():
    code = (
        "import time; from maskstream.live.capture import Capture;"
        f"kept = Capture('udp://127.0.0.1:{free_port()}'); time.sleep(1.0); print('ends')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_a_stream_in_segments_is_shown_in_real_time(tmp_path):
    write_clip(tmp_path / "live.m3u8", 1.0, "hls", {"hls_list_size": "0"}, sound=False)
    handler = partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with closing(Capture(f"http://127.0.0.1:{server.server_port}/live.m3u8")) as capture:
            frames = frames_until_end(capture)
            assert frames[-1].captured - frames[0].captured > 0.8
            assert drawn_room.read_index(frames[-1].image) == FPS - 1
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_clock_follows_stamps_and_survives_their_jumps():
    clock = Clock()
    assert clock.at(5.0) is None
    assert clock.due(5.0, now=100.0, step=0.04) == 100.0
    assert clock.due(5.5, now=100.1, step=0.04) == pytest.approx(100.5)
    assert clock.at(6.0) == pytest.approx(101.0)
    # A day's wrap, and a reader that was held up.
    assert clock.due(-95443.0, now=100.2, step=0.04) == pytest.approx(100.54)
    assert clock.due(-95442.5, now=100.6, step=0.04) == pytest.approx(101.04)
    assert clock.due(-95442.0, now=200.0, step=0.04) == pytest.approx(200.0)


def test_a_clock_of_a_stream_follows_its_arrivals_slowly():
    clock = Clock()
    clock.arrived(0.0, now=10.0)
    clock.arrived(1.0, now=11.5)  # one late frame is hardly noticed
    assert 11.0 < clock.at(1.0) < 11.1
    clock.arrived(100.0, now=20.0)  # another time base is
    assert clock.at(100.0) == 20.0


def test_a_device_takes_the_first_options_that_it_can():
    attempts = ({"graph": "nonsense"}, {"graph": "testsrc=size=64x48:rate=25"})
    with closing(DeviceFeed("drawn", "", "lavfi", attempts, ColourTags())) as feed:
        assert feed.grab() is None
        assert feed.picture().shape == (48, 64, 3)
        assert feed.frame_rate == 25


def test_a_device_that_ffmpeg_does_not_know_is_said_in_a_line():
    with pytest.raises(InputError, match="has no nonsense"):
        DeviceFeed("drawn", "", "nonsense", ({},), ColourTags())


class FakeVideoCapture:
    opens, left = True, 2

    def __init__(self, device):
        self.device = device

    def isOpened(self):
        return self.opens

    def set(self, key, value):
        return True

    def get(self, key):
        return 30.0

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, np.full((36, 64, 3), (255, 0, 0), np.uint8)

    def release(self):
        self.opens = False


def test_a_camera_that_ffmpeg_can_not_read_is_read_by_opencv(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeVideoCapture)
    monkeypatch.setattr("sys.platform", "plan9")
    with closing(devices.open_camera(0, "camera:0", Request())) as feed:
        assert feed.grab() is None
        assert (feed.picture() == (0, 0, 255)).all()
        feed.grab()
        with pytest.raises(SourceError, match="no longer delivers pictures"):
            feed.grab()
    monkeypatch.setattr(FakeVideoCapture, "opens", False)
    with pytest.raises(SourceError, match="camera:0"):
        devices.open_camera(0, "camera:0", Request())


@pytest.mark.skipif("sys.platform != 'linux'")
def test_a_screen_that_is_not_there_is_said_in_a_line(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with closing(Capture("screen")) as capture, pytest.raises(InputError, match="DISPLAY is not set"):
        capture.wait_ready(PATIENT)
    with closing(Capture("screen::97")) as capture, pytest.raises(InputError, match=":97 can't be read"):
        capture.wait_ready(PATIENT)
