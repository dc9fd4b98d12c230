"""A live stream at twice the load that the machine carries, measured from outside the process.

A camera is played over HTTP, as those in a network do it (MJPEG): a person-like figure sways in a drawn
room, and on its chest is a board of black and white squares, another one in each frame, so that a picture on
``maskstream live``'s page tells which frame it was made of. Latency is from that frame's leaving the camera
to the picture's reaching a viewer: network, decoder, and the page's own coding are in it. Memory and
processor time are the kernel's, of ``maskstream live`` and all that it starts. Linux only.

    python benchmarks/soak.py --minutes 10 --picture docs/images/soak.png
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from threading import Thread
from time import monotonic, sleep
from typing import NamedTuple
from urllib.request import Request, urlopen

import cv2
import numpy as np

from maskstream.live.sources.drawn_room import FIGURE, HEAD, draw_room

FRAMES = 256  #: different ones; then they begin again
ROWS, COLUMNS = 2, 4  #: of the board; its squares are the bits of a frame's number
SQUARE = 0.05  #: of the frame's height
BOARD_TOP = 0.55  #: likewise
QUALITY = 90  #: of the camera's JPEGs
TICKS = os.sysconf("SC_CLK_TCK")
BEHIND = "#306090"  #: the new background
READY = 60.0  #: seconds until the first picture must be there


class Seen(NamedTuple):
    """A picture that reached the viewer: when, and its age in seconds; None: its board can't be read."""

    at: float
    age: float | None


class Usage(NamedTuple):
    """At a time: bytes held in memory, and seconds of processor used."""

    at: float
    memory: int
    processor: float


def board(height: int, width: int) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Bit and place of each square."""
    side = SQUARE * height
    left, top = width / 2 - COLUMNS / 2 * side, BOARD_TOP * height
    for bit in range(ROWS * COLUMNS):
        row, column = divmod(bit, COLUMNS)
        rows = slice(round(top + row * side), round(top + (row + 1) * side))
        yield bit, (rows, slice(round(left + column * side), round(left + (column + 1) * side)))


def draw(room: np.ndarray, index: int) -> np.ndarray:
    """A frame of the camera, RGB."""
    height, width = room.shape[:2]
    frame = room.copy()
    sway = round(0.04 * height * np.sin(2 * np.pi * 4 * index / FRAMES))
    for y, axes, colour in ((0.72, (0.22, 0.34), FIGURE), (0.3, (0.09, 0.12), HEAD)):
        centre = width // 2 + sway, round(y * height)
        cv2.ellipse(frame, centre, tuple(round(a * height) for a in axes), 0, 0, 360, colour, -1)
    for bit, place in board(height, width):
        frame[place] = 235 if index >> bit & 1 else 20
    return frame


def read(grey: np.ndarray, background: int) -> int | None:
    """The number on a picture's board; None: something is in its way, or it is the slate."""
    index = 0
    for bit, (rows, columns) in board(*grey.shape):
        level = int(grey[(rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2])
        if 70 < level < 180 or abs(level - background) < 10:
            return None
        index |= (level > 127) << bit
    return index


class Camera:
    """Plays its frames to whoever connects, at its pace; one that isn't taken in time is dropped."""

    def __init__(self, lines: int, fps: float) -> None:
        room = draw_room(lines * 16 // 9 // 2 * 2, lines)
        how = cv2.IMWRITE_JPEG_QUALITY, QUALITY
        self._jpegs = [
            cv2.imencode(".jpg", cv2.cvtColor(draw(room, i), cv2.COLOR_RGB2BGR), how)[1].tobytes()
            for i in range(FRAMES)
        ]
        self._fps = fps
        self.sent_at = [0.0] * FRAMES
        self.sent = self.dropped = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/camera.mjpg"
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**18)
            connection.recv(65536)
            try:
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
                )
                self._play(connection)
            except OSError:
                connection.close()

    def _play(self, connection: socket.socket) -> None:
        start, index, rest = monotonic(), -1, b""
        while True:
            due = int((monotonic() - start) * self._fps)
            if due == index:
                sleep(max(0.0, start + (due + 1) / self._fps - monotonic()))
                continue
            index = due
            connection.setblocking(False)
            try:
                rest = rest[connection.send(rest) :] if rest else rest
                if rest:  # the last one is on its way still
                    self.dropped += 1
                    continue
                jpeg = self._jpegs[index % FRAMES]
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                part = head + jpeg + b"\r\n"
                self.sent_at[index % FRAMES] = monotonic()
                rest = part[connection.send(part) :]
                self.sent += 1
            except BlockingIOError:
                self.dropped += 1


def watch(page: str, camera: Camera, background: int, seen: list[Seen]) -> None:
    """A viewer of the page's stream, until it ends."""
    with urlopen(f"{page}stream.mjpg", timeout=20) as stream:
        while line := stream.readline():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() != "content-length":
                continue
            stream.readline()
            jpeg, now = stream.read(int(value)), monotonic()
            grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
            index = read(grey, background)
            seen.append(Seen(now, None if index is None else now - camera.sent_at[index]))


def processes(root: int) -> list[int]:
    """A process and all that it has started."""
    found = [root]
    for pid in found:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def usage(root: int) -> Usage:
    """What a process and all that it has started use."""
    pages, ticks = 0, 0
    for pid in processes(root):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return Usage(monotonic(), pages * os.sysconf("SC_PAGE_SIZE"), ticks / TICKS)


def table(seen: list[Seen], used: list[Usage], minutes: float) -> list[dict[str, float]]:
    """A row for each minute (the last may be shorter)."""
    rows = []
    for minute in range(max(1, int(minutes))):
        low = used[0].at + 60 * minute
        part = [u for u in used if low <= u.at < low + 60]
        pictures = [s for s in seen if low <= s.at < low + 60]
        ages = [s.age for s in pictures if s.age is not None]
        span = part[-1].at - part[0].at
        rows.append(
            {
                "minute": minute + 1,
                "pictures": len(pictures) / span,
                "unread": len(pictures) - len(ages),
                "latency": median(ages) if ages else float("nan"),
                "late": quantiles(ages, n=20)[18] if len(ages) > 1 else float("nan"),
                "worst": max(ages, default=float("nan")),
                "memory": median(u.memory for u in part),
                "peak": max(u.memory for u in part),
                "processor": (part[-1].processor - part[0].processor) / span,
            }
        )
    return rows


def draw_picture(path: Path, seen: list[Seen], used: list[Usage]) -> None:
    """Latency and memory over time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    start = used[0].at
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, constrained_layout=True)
    points = np.array([((s.at - start) / 60, 1000 * s.age) for s in seen if s.age is not None])
    above.plot(*points.T, ".", markersize=1.5, alpha=0.4)
    above.set(ylabel="latency, ms", ylim=(0, None))
    below.plot([(u.at - start) / 60 for u in used], [u.memory / 1e6 for u in used])
    below.set(ylabel="memory, MB", ylim=(0, None), xlabel="minutes")
    for axis in (above, below):
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--lines", type=int, default=1080, help="of the camera (default: %(default)s)")
    parser.add_argument("--fps", type=float, default=60, help="of the camera (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the network (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="to a file, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw latency and memory (PNG)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all rows")
    args = parser.parse_args()

    camera = Camera(args.lines, args.fps)
    page = ""
    seen: list[Seen] = []
    used: list[Usage] = []
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "maskstream.cli",
            "live",
            camera.url,
            "--background",
            "#306090",
        ]
        command += ["-o", f"page:{port}", "--fps", str(args.fps), "--threads", str(args.threads)]
        command += ["-o", f"{folder}/copy.mp4"] if args.record else []
        live = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            page = address_of(live)
            Thread(target=live.stderr.read, daemon=True).start()  # type: ignore[union-attr]
            wait_for(page, live)
            background = int(
                cv2.cvtColor(np.uint8([[list(bytes.fromhex(BEHIND[1:]))]]), cv2.COLOR_RGB2GRAY)[0, 0]
            )
            Thread(target=watch, args=(page, camera, background, seen), daemon=True).start()
            sleep(5)
            follow(live, args.minutes, used, seen)
            with urlopen(f"{page}status.json", timeout=5) as answer:
                status = json.load(answer)
        finally:
            end(page, live)
    rows = table(seen, used, args.minutes)
    share = camera.sent / max(1, camera.sent + camera.dropped)
    print(f"camera: {args.lines} lines, {args.fps:g} frames/s, of which {100 * share:.0f} % were taken")
    print(f"at the end: {json.dumps(status)}\n")
    print("| minute | pictures/s | latency, ms | 95 in 100, ms | worst, ms | memory, MB | of a core |")
    print("| --: | --: | --: | --: | --: | --: | --: |")
    for row in rows:
        times = " | ".join(f"{1000 * row[name]:.0f}" for name in ("latency", "late", "worst"))
        print(
            f"| {row['minute']} | {row['pictures']:.1f} | {times} | {row['memory'] / 1e6:.0f} | "
            f"{100 * row['processor']:.0f} % |"
        )
    print(f"\npictures without a readable board: {sum(row['unread'] for row in rows)}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if args.picture:
        draw_picture(args.picture, seen, used)


def end(page: str, live: subprocess.Popen[str]) -> None:
    """As its page's button does."""
    try:
        urlopen(Request(f"{page}quit", b"", {"X-Maskstream": "1"}), timeout=5).close()
        live.wait(10)
    except (OSError, subprocess.TimeoutExpired):
        print("soak: maskstream live doesn't end when asked to", file=sys.stderr)
        live.kill()


def address_of(live: subprocess.Popen[str]) -> str:
    """The page's address, as it is printed."""
    assert live.stderr is not None
    for line in live.stderr:
        if line.startswith("page:") and "http://" in line:
            return line.split()[-1]
    raise SystemExit("soak: maskstream live tells no address; run it by hand to see why")


def wait_for(page: str, live: subprocess.Popen[str]) -> None:
    """Until the page answers."""
    end = monotonic() + READY
    while monotonic() < end and live.poll() is None:
        try:
            with urlopen(f"{page}picture.jpg", timeout=2):
                return
        except OSError:
            sleep(0.2)
    raise SystemExit("soak: maskstream live shows nothing; run it by hand to see why")


def follow(live: subprocess.Popen[str], minutes: float, used: list[Usage], seen: list[Seen]) -> None:
    """Note what is used, each second."""
    end = monotonic() + 60 * minutes
    while monotonic() < end:
        if live.poll() is not None:
            raise SystemExit(f"soak: maskstream live ended, exit code {live.returncode}")
        used.append(usage(live.pid))
        if len(used) % 60 == 0:
            ages = [s.age for s in seen[-200:] if s.age is not None]
            late = f"{1000 * median(ages):.0f} ms" if ages else "?"
            print(
                f"minute {len(used) // 60}: {late}, {used[-1].memory / 1e6:.0f} MB",
                file=sys.stderr,
                flush=True,
            )
        sleep(max(0.0, used[0].at + len(used) - monotonic()))


if __name__ == "__main__":
    main()
