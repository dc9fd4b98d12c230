"""The page, read as a browser and as a stranger would."""

import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from maskstream.errors import InputError
from maskstream.live.sinks import SinkRunner, open_sink
from tests.helpers.sink_tools import SIZE, eventually, sealed

RED, BLUE = (220, 30, 40), (20, 40, 220)


@pytest.fixture
def page():
    """Opens a page on a free port."""
    opened = []

    def start(**hooks):
        sink = open_sink("page:0", **hooks)
        sink.open(SIZE, 30.0, None)
        opened.append(sink)
        return sink

    yield start
    for sink in opened:
        sink.close()


def host_of(sink):
    return urlsplit(sink.where).netloc


def get(sink, path="", **headers):
    request = urllib.request.Request(sink.where + path, headers=headers)
    return urllib.request.urlopen(request, timeout=20)


def post(sink, path, body=b"null", **headers):
    request = urllib.request.Request(sink.where + path, data=body, headers=headers, method="POST")
    return urllib.request.urlopen(request, timeout=20)


def refused(call, *args, **headers):
    with pytest.raises(urllib.error.HTTPError) as error:
        call(*args, **headers)
    return error.value.code


def part(stream):
    """One part of a multipart stream: its JPEG as RGB."""
    assert stream.readline() == b"--frame\r\n"
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, value = line.decode().split(": ")
        headers[name] = value
    assert headers["Content-Type"] == "image/jpeg"
    jpeg = stream.read(int(headers["Content-Length"]))
    assert stream.readline() == b"\r\n"
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), cv2.COLOR_BGR2RGB)


def test_the_page_streams_what_is_shown(page):
    sink = page()
    sink.show(sealed(RED), 0.0)
    with get(sink, "stream.mjpg") as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        image = part(stream)
        assert image.shape == (SIZE[1], SIZE[0], 3)
        assert np.abs(image - np.array(RED)).max() < 12
        sink.show(sealed(BLUE), 0.1)
        assert np.abs(part(stream) - np.array(BLUE)).max() < 12


def test_one_picture_can_be_had(page):
    sink = page()
    assert refused(get, sink, "picture.jpg") == 503
    sink.show(sealed(RED), 0.0)
    with get(sink, "picture.jpg") as answer:
        assert cv2.imdecode(np.frombuffer(answer.read(), np.uint8), 1).shape == (SIZE[1], SIZE[0], 3)


def test_a_picture_that_stays_is_sent_again_now_and_then(page):
    sink = page()
    sink.show(sealed(RED), 0.0)
    with get(sink, "stream.mjpg") as stream:
        for _ in range(2):  # browsers show a part when the next one begins
            assert part(stream).shape == (SIZE[1], SIZE[0], 3)


def test_a_slow_viewer_holds_up_nothing_and_then_gets_the_newest(page):
    sink = page()
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    size = (1280, 720)
    frames = [sealed(np.roll(noise, number, 0), size=size) for number in range(3)]
    last = sealed(BLUE, size=size)
    sink.show(frames[0], 0.0)
    with get(sink, "stream.mjpg") as stream:
        part(stream)
        start = time.monotonic()
        for number in range(300):
            sink.show(frames[number % 3], number / 30)
        assert time.monotonic() - start < 1.0  # more than any buffer holds, and nobody waited
        sink.show(last, 11.0)
        seen = 0
        while np.abs(part(stream) - np.array(BLUE)).max() > 12:
            seen += 1
        assert seen < 60


def test_nothing_is_encoded_while_nobody_looks(page, monkeypatch):
    sink = page()
    monkeypatch.setattr(cv2, "imencode", lambda *_: pytest.fail("encoded"))
    for number in range(10):
        sink.show(sealed(RED), number / 30)


def test_the_status_tells_frames_and_viewers(page):
    sink = page()
    sink.show(sealed(RED), 0.0)
    with get(sink, "stream.mjpg") as stream:
        part(stream)
        with get(sink, "status.json") as answer:
            assert json.load(answer) == {"shown": 1, "viewers": 1}


def test_viewers_that_leave_are_forgotten(page):
    sink = page()
    sink.show(sealed(RED), 0.0)
    with get(sink, "stream.mjpg") as stream:
        part(stream)
    frames = [sealed(RED) for _ in range(200)]

    def gone():
        sink.show(frames.pop(), 0.0)
        return json.load(get(sink, "status.json"))["viewers"] == 0

    eventually(gone)


def test_routes_are_answered_with_what_was_posted(page):
    got = []

    def background(body):
        got.append(body)
        return 201, "application/json", b'{"ok": true}'

    routes = {
        ("POST", "/background"): background,
        ("GET", "/status.json"): lambda _: (200, "application/json", b'{"line": "well"}'),
    }
    sink = page(routes=routes)
    with post(sink, "background", b'"beach.jpg"', **{"X-Maskstream": "1"}) as answer:
        assert (answer.status, json.load(answer)) == (201, {"ok": True})
    assert got == [b'"beach.jpg"']
    with get(sink, "status.json") as answer:
        assert json.load(answer) == {"line": "well"}


def test_another_pages_requests_are_refused(page):
    got = []
    sink = page(routes={("POST", "/quit"): lambda body: (got.append(body), (200, "text/plain", b""))[1]})
    asked = {"X-Maskstream": "1"}
    assert refused(post, sink, "quit") == 403
    assert refused(post, sink, "quit", **{"X-Maskstream": "0"}) == 403
    assert refused(post, sink, "quit", **asked, Host="evil.example") == 403
    assert refused(post, sink, "quit", **asked, Host="127.0.0.1.evil.example") == 403
    assert refused(post, sink, "quit", **asked, Origin="http://evil.example") == 403
    assert refused(get, sink, "stream.mjpg", Host="evil.example") == 403
    assert refused(get, sink, "picture.jpg", Host="evil.example") == 403
    assert refused(get, sink, "status.json", Origin="http://127.0.0.1:1") == 403
    assert not got
    host = host_of(sink)
    assert post(sink, "quit", **asked, Origin=f"http://{host}").status == 200
    local = host.replace("127.0.0.1", "localhost")
    assert post(sink, "quit", **asked, Host=local, Origin=f"http://{local}").status == 200
    assert len(got) == 2


def test_what_is_not_there_or_fails_is_said_so(page):
    def fail(_):
        raise RuntimeError("inside")

    def mistaken(_):
        raise InputError("no such picture")

    sink = page(routes={("POST", "/fail"): fail, ("POST", "/mistaken"): mistaken})
    asked = {"X-Maskstream": "1"}
    assert refused(get, sink, "nothing") == 404
    assert refused(get, sink, "fail") == 405
    assert refused(post, sink, "fail", **asked) == 500
    assert refused(post, sink, "mistaken", **asked) == 400
    assert refused(get, sink, "../../etc/passwd") == 404
    connection = http.client.HTTPConnection(*host_of(sink).split(":"))
    connection.putrequest("POST", urlsplit(sink.where).path + "fail")
    for name, value in {**asked, "Content-Length": str(2**40)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_the_page_has_the_controls_that_something_answers(page):
    nothing = get(page()).read().decode()
    assert 'src="stream.mjpg"' in nothing
    assert "<button" not in nothing
    answer = (200, "text/plain", b"")
    every = {("POST", path): lambda _: answer for path in ("/panic", "/background", "/subject", "/quit")}
    with get(page(routes=every)) as whole:
        text = whole.read().decode()
        assert all(f'id="{name}"' in text for name in ("panic", "background", "subject", "quit"))
        assert whole.headers["X-Frame-Options"] == "DENY"
        assert whole.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_this_machine_is_listened_to(page):
    sink = page()
    port = int(host_of(sink).split(":")[1])
    assert sink._server.server_address == ("127.0.0.1", port)
    with pytest.raises(OSError, match=r".+"), socket.create_connection(("127.0.0.2", port), 5):
        pass


def test_a_port_that_is_taken_is_refused_in_one_line(page):
    port = host_of(page()).split(":")[1]
    with pytest.raises(InputError, match=f"port {port} can't be listened on"):
        open_sink(f"page:{port}")


def test_closing_lets_viewers_go_within_a_second_and_frees_the_port():
    sink = open_sink("page:0")
    runner = SinkRunner([sink])
    runner.open(SIZE, 30.0, None)
    assert runner.places == {"page:0": sink.where}
    runner.show(sealed(RED), 0.0)
    with get(sink, "stream.mjpg") as stream:
        part(stream)
        start = time.monotonic()
        runner.close()
        assert time.monotonic() - start < 1.5
        while stream.read(10_000):
            pass
    again = open_sink("page:" + host_of(sink).split(":")[1])
    again.close()


def test_only_sealed_frames_are_shown(page):
    sink = page()
    with pytest.raises(TypeError, match="sealed frames only"):
        sink.show(sealed().image, 0.0)
    assert refused(get, sink, "picture.jpg") == 503


def asked(sink, method, path, headers=(), body=b""):
    """The answer's status to a request that is written by hand."""
    connection = http.client.HTTPConnection(host_of(sink), timeout=20)
    connection.putrequest(method, path)
    for name, value in dict(headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    if body:
        connection.send(body)
    status = connection.getresponse().status
    connection.close()
    return status


POST = {"X-Maskstream": "1"}


@pytest.mark.parametrize("path", ["", "picture.jpg", "stream.mjpg", "status.json", "quit", "nothing"])
def test_nobody_gets_anything_without_the_token_of_the_printed_address(page, path):
    got = []
    sink = page(routes={("POST", "/quit"): lambda body: (got.append(body), (200, "text/plain", b""))[1]})
    sink.show(sealed(RED), 0.0)
    token = urlsplit(sink.where).path.strip("/")
    assert len(token) >= 20
    other = page()
    assert urlsplit(other.where).path.strip("/") != token
    for start in ("/", "//", f"/{token[:-1]}/", f"/{token}x/", f"/{token.swapcase()}/", "/x/../"):
        for method in ("GET", "POST"):
            length = {**POST, "Content-Length": "0"} if method == "POST" else {}
            assert asked(sink, method, start + path, length) == 403
    assert not got


def test_a_post_needs_a_length_and_a_body_is_read_only_where_it_is_taken(page):
    got = []
    sink = page(routes={("POST", "/quit"): lambda body: (got.append(body), (200, "text/plain", b""))[1]})
    root = urlsplit(sink.where).path
    assert asked(sink, "POST", f"{root}quit", POST) == 411
    chunked = {**POST, "Transfer-Encoding": "chunked"}
    assert asked(sink, "POST", f"{root}quit", chunked, b"4\r\ntrue\r\n0\r\n\r\n") == 411
    assert asked(sink, "POST", f"{root}quit", {**chunked, "Content-Length": "4"}, b"true") == 411
    assert asked(sink, "POST", f"{root}quit", {**POST, "Content-Length": "-4"}, b"true") == 411
    assert asked(sink, "POST", f"{root}quit", {**POST, "Content-Length": "9" * 5000}) == 413
    assert not got
    start = time.monotonic()
    assert asked(sink, "GET", f"{root}status.json", {"Content-Length": "100"}) == 200
    assert time.monotonic() - start < 3  # nothing was waited for
    assert asked(sink, "POST", f"{root}quit", {**POST, "Content-Length": "4"}, b"true") == 200
    assert got == [b"true"]


def test_a_host_or_origin_of_another_port_is_refused(page):
    sink = page()
    assert refused(get, sink, Host="127.0.0.1") == 403
    assert refused(get, sink, Host="127.0.0.1:1") == 403
    assert refused(get, sink, Origin="null") == 403
    assert refused(get, sink, Origin=f"https://{host_of(sink)}") == 403
