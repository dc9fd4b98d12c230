"""A page on this machine that shows what leaves, and its controls: http://127.0.0.1:8017."""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import cv2

from maskstream.errors import InputError
from maskstream.live.guard import Sealed
from maskstream.live.sinks.page_html import page_html
from maskstream.live.sinks.sink import Routes, picture_of

if TYPE_CHECKING:
    from maskstream.live.audio import AudioTap

logger = logging.getLogger(__name__)

PORT = 8017  #: unless another is asked for
HEADER = "X-Maskstream"  #: that a POST needs: no other page's script can send it unasked

_ADDRESS = "127.0.0.1"
_HOSTS = {"127.0.0.1", "localhost"}
_QUALITY = 85  # of the JPEGs
_LARGEST = 2**16  # bytes of a request's body
_PATIENCE = 5.0  # seconds after which a client that takes nothing is let go
_POLL = 0.1  # seconds between two looks at whether to stop
_BOUNDARY = "frame"


class PageSink:
    """Serves a page with the stream as MJPEG, ``/status.json``, and further routes, on 127.0.0.1 only.

    Everything lies below a random word in the address (``where``), new for each page: other users of this
    machine, and other programs, may connect but don't know it.

    A frame is made a JPEG once, and only while somebody looks. Each viewer gets the newest when it is ready
    for one. Requests that name another host are refused, so that no other web page reads the stream by giving
    its own name this address; a POST needs the header ``X-Maskstream: 1``.

    Args:
        port: to listen on; None: 8017; 0: any that is free.
        routes: what else is answered, and what is instead of the page's own ``/status.json``, which tells
            frames shown and viewers.

    Raises:
        InputError: another program listens on that port.
    """

    def __init__(self, port: int | None = None, routes: Routes | None = None) -> None:
        self.name = "page" if port is None else f"page:{port}"
        self._port = PORT if port is None else port
        self._token = secrets.token_urlsafe(18)
        self._routes: Routes = routes or {}
        self._newest = _Newest()
        self._server: _Server | None = self._listening()
        self._thread: Thread | None = None

    @property
    def where(self) -> str:
        """Address of the page; whoever has it may see and control the stream."""
        return f"http://{_ADDRESS}:{self._port}/{self._token}/"

    def open(self, size: tuple[int, int], fps: float, audio: AudioTap | None) -> None:
        """Begin to answer."""
        if self._server is None:
            self._newest = _Newest()
            self._server = self._listening()
        self._thread = Thread(
            target=self._server.serve_forever, args=(_POLL,), name=f"{self.name} server", daemon=True
        )
        self._thread.start()

    def show(self, sealed: Sealed, time: float) -> None:
        """Show a frame to all who look."""
        self._newest.put(sealed)

    def close(self) -> None:
        """Stop listening, and let all viewers go."""
        server, self._server = self._server, None
        self._newest.close()
        if server is None:
            return
        if self._thread is not None:
            server.shutdown()
            self._thread = None
        server.server_close()

    def _listening(self) -> _Server:
        try:
            server = _Server(
                (_ADDRESS, self._port), self._newest, {**self._own_routes(), **self._routes}, self._token
            )
        except OSError as error:
            raise InputError(
                f"{self.name}: port {self._port} can't be listened on ({error.strerror}); "
                "use another, as in page:8080"
            ) from error
        self._port = server.server_port
        return server

    def _own_routes(self) -> Routes:
        html = page_html({path for method, path in self._routes if method == "POST"}).encode()

        def page(_: bytes) -> tuple[int, str, bytes]:
            return HTTPStatus.OK, "text/html; charset=utf-8", html

        def status(_: bytes) -> tuple[int, str, bytes]:
            return HTTPStatus.OK, "application/json", json.dumps(self._newest.status).encode()

        def picture(_: bytes) -> tuple[int, str, bytes]:
            jpeg = self._newest.jpeg()
            if jpeg is None:
                return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"no picture yet\n"
            return HTTPStatus.OK, "image/jpeg", jpeg

        return {("GET", "/"): page, ("GET", "/status.json"): status, ("GET", "/picture.jpg"): picture}


class _Newest:
    """The newest frame, and its JPEG once somebody asks for it."""

    def __init__(self) -> None:
        self.viewers = 0
        self.closed = False
        self._shown = 0
        self._sealed: Sealed | None = None
        self._encoded: tuple[int, bytes] = (0, b"")
        self._changed = Condition()
        self._encodes = Lock()

    @property
    def status(self) -> dict[str, int]:
        """Counts."""
        return {"shown": self._shown, "viewers": self.viewers}

    def put(self, sealed: Sealed) -> None:
        """A new frame."""
        picture_of(sealed)
        with self._changed:
            if sealed is not self._sealed:
                self._shown += 1
                self._sealed = sealed
                self._changed.notify_all()

    def close(self) -> None:
        """No more; whoever waits is released."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def look(self, by: int) -> None:
        """So many viewers more."""
        with self._changed:
            self.viewers += by

    def jpeg(self) -> bytes | None:
        """The newest frame's; None: there is none."""
        return self.after(0)[1] or None

    def after(self, number: int, timeout: float = 0.0) -> tuple[int, bytes]:
        """A frame that is newer than one, waiting for it; its number and JPEG, empty if none came."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._shown > number, timeout)
            if self._sealed is None or self.closed or self._shown <= number:
                return number, b""
            shown, sealed = self._shown, self._sealed
            if self._encoded[0] == shown:
                return self._encoded
        with self._encodes:
            if self._encoded[0] < shown:  # else another viewer's thread did it meanwhile
                bgr = cv2.cvtColor(picture_of(sealed), cv2.COLOR_RGB2BGR)
                jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1]
                self._encoded = (shown, jpeg.tobytes())
            return self._encoded


class _Server(ThreadingHTTPServer):
    """Answers each request in a thread that nothing waits for."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # where it would let two listen at once

    def __init__(self, address: tuple[str, int], newest: _Newest, routes: Routes, token: str) -> None:
        self.newest = newest
        self.token = token
        self.routes = routes
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""
        logger.debug("a request failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = _PATIENCE  # of the socket
    server_version = "maskstream"
    sys_version = ""
    _headers: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'self' 'unsafe-inline'",
    }

    def do_GET(self) -> None:
        """Show something."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Do something."""
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: their addresses hold the token."""

    def _answer(self, method: str) -> None:
        if not self._is_from_here():
            return self._refuse(
                HTTPStatus.FORBIDDEN, "only http://127.0.0.1 and http://localhost are answered"
            )
        path = self._asked_for()
        if path is None:
            return self._refuse(HTTPStatus.FORBIDDEN, "open the whole address that maskstream printed")
        if method == "POST" and self.headers.get(HEADER) != "1":
            return self._refuse(HTTPStatus.FORBIDDEN, f"a POST needs the header {HEADER}: 1")
        if (method, path) == ("GET", "/stream.mjpg"):
            return self._stream()
        route = self.server.routes.get((method, path))
        if route is None:
            others = {known for known, where in self.server.routes if where == path}
            return self._refuse(
                HTTPStatus.METHOD_NOT_ALLOWED if others else HTTPStatus.NOT_FOUND, "there is nothing here"
            )
        sent = b""
        if method == "POST":
            length = self.headers.get("Content-Length", "")
            if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
                return self._refuse(HTTPStatus.LENGTH_REQUIRED, "give a Content-Length")
            if len(length) > 20 or int(length) > _LARGEST:
                return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"give at most {_LARGEST} bytes")
            sent = self.rfile.read(int(length))
        elif self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what was sent with it isn't read
        try:
            status, kind, body = route(sent)
        except InputError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError:
            raise
        except Exception:
            logger.exception("%s %s failed", method, path)
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "it failed; the log says more")
        self._send(status, kind, body)

    def _asked_for(self) -> str | None:
        """The path below the token; None: it is another, or none."""
        path = urlsplit(self.path).path
        start = f"/{self.server.token}/"
        if not hmac.compare_digest(path[: len(start)].encode(), start.encode()):
            return None
        return path[len(start) - 1 :]

    def _is_from_here(self) -> bool:
        """Whether the request names this machine; that a browser says, not the page's script."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        known = [f"{name}:{self.server.server_port}" for name in _HOSTS]
        if len(hosts) != 1 or hosts[0] not in known or len(origins) > 1:
            return False
        return all(origin == f"http://{hosts[0]}" for origin in origins)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what its body holds isn't read
        self._send(status, "text/plain; charset=utf-8", f"{why}\n".encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self._begin(status, kind, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **more, **self._headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        """Frames until the viewer goes; one that is slow gets fewer."""
        self.close_connection = True
        # Little in the socket's own buffer: what waits there is late.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        self._begin(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={_BOUNDARY}", {})
        newest, number, sent_at = self.server.newest, 0, monotonic()
        newest.look(1)
        try:
            while not newest.closed:
                number, jpeg = newest.after(number, _POLL)
                if not jpeg:
                    if monotonic() - sent_at < 1.0:
                        continue
                    number, jpeg = newest.after(0)  # a browser shows a part when the next one begins
                    if not jpeg:
                        continue
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                sent_at = monotonic()
        except OSError:
            logger.debug("a viewer has gone")
        finally:
            newest.look(-1)
