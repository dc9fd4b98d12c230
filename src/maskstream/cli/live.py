"""``maskstream live``: replace the background of a camera or stream while it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from maskstream.cli._appearance_options import add_appearance_arguments, add_screen_argument
from maskstream.cli._option_types import box, picture_size, seconds_or_never
from maskstream.cli._progress import PLAIN_SECONDS, say

if TYPE_CHECKING:
    from maskstream.live.session import LiveSession, Subject

_TERMINAL_SECONDS = 1.0  # between two statuses

NAME = "live"
HELP = "replace the background of a camera or stream while it runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source",
        nargs="?",
        default="camera",
        help="camera, camera:1, /dev/video0, a file, rtsp://, rtmp://, http(s)://, udp://, srt://, screen, "
        "or test:1280x720@30 (camera)",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        metavar="SINK",
        help="page, page:8080, preview, vcam, /dev/video2, out.mp4, live.m3u8, rtmp://, rtsp://, srt://, "
        "udp://, the http(s):// of a WHIP server; may be given several times (page)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--background-folder",
        type=Path,
        metavar="FOLDER",
        help="whose files the page and other programs may choose (that of the background, if it is a file)",
    )
    who = parser.add_argument_group("who stays (detected automatically by default)")
    one = who.add_mutually_exclusive_group()
    one.add_argument("--auto", action="store_true", help="detect the subject, people first (the default)")
    one.add_argument("--mask", type=Path, metavar="PATH", help="mask of the first frame")
    one.add_argument("--box", type=box, metavar="X,Y,W,H", help="box around the subject in the first frame")
    one.add_argument(
        "--clean-plate", action="store_true", help="step out for a second; what comes in then is the subject"
    )
    one.add_argument(
        "--last", action="store_true", help="who was followed the last time, if that was kept by --remember"
    )
    who.add_argument(
        "--remember",
        action="store_true",
        help="keep a small picture of the subject, and of the room, for --last; only you may read the file",
    )
    add_screen_argument(who)
    who.add_argument(
        "--largest", action="store_true", help="of several people only the one who is seen largest"
    )
    add_appearance_arguments(parser, "image, video, folder of images, blur, or a colour (#00ff00, white)")
    safe = parser.add_argument_group("what is shown instead of the room")
    safe.add_argument("--slate", type=Path, metavar="IMAGE", help="picture while there is nothing to show")
    safe.add_argument(
        "--lost",
        type=seconds_or_never,
        default=1.0,
        metavar="SECONDS",
        help="show the slate when the subject has been away so long; never: the background stays (1)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--picture", type=picture_size, metavar="WxH", help="of all that leaves (the source's)")
    how.add_argument("--fps", type=float, help="frames a second at most (30)")
    how.add_argument("--loop", action="store_true", help="begin a file again at its end")
    how.add_argument("--model", default="live", help="name of a network, or an exported folder (live)")
    how.add_argument("--threads", type=int, help="of the CPU")
    how.add_argument(
        "--size", type=int, metavar="LINES", help="that the network sees, always (its default, or less)"
    )
    how.add_argument("--no-rest", action="store_true", help="keep running the network while nothing moves")
    how.add_argument("--seconds", type=float, metavar="N", help="end after so long")


def run(args: argparse.Namespace) -> int:
    """Run until the source ends, or Ctrl-C."""
    from maskstream.cli._appearance_options import matte_of
    from maskstream.live.session import LiveOptions, LiveSession

    options = LiveOptions(
        source=args.source,
        background=args.background,
        outputs=args.output or ["page"],
        background_folder=args.background_folder,
        overwrite=args.overwrite,
        mask=args.mask,
        box=args.box,
        subject=_subject(args),
        largest=args.largest,
        remember=args.remember,
        matte=matte_of(args),
        fit=args.fit,
        position=args.position,
        fill=args.fill,
        background_fps=args.background_fps,
        blur_strength=args.blur_strength,
        blur_falloff=args.blur_falloff,
        light_wrap=args.light_wrap,
        match_colour=args.match_colour,
        slate=args.slate,
        lost_seconds=args.lost,
        picture=args.picture,
        fps=args.fps,
        loop=args.loop,
        model=args.model,
        threads=args.threads,
        size=args.size,
        rest=not args.no_rest,
        seconds=args.seconds,
    )
    # First of all the camera, which takes longest to open: it does so while the rest is imported.
    session = LiveSession(options, say=lambda text: say(text, args.quiet))
    with (
        session,
        _told(session, args.quiet, args.verbose or args.debug),
        suppress(KeyboardInterrupt),
    ):  # the usual end
        session.run()
    return 0


def _subject(args: argparse.Namespace) -> Subject | None:
    if args.clean_plate:
        return "clean-plate"
    return "last" if args.last else "auto" if args.auto else None


@contextmanager
def _told(session: LiveSession, quiet: bool, verbose: bool) -> Iterator[None]:
    """Tell the status on standard error meanwhile: in one line on a terminal, now and then elsewhere."""
    ended = Event()
    is_terminal = sys.stderr.isatty()

    def tell() -> None:
        while not ended.wait(_TERMINAL_SECONDS if is_terminal else PLAIN_SECONDS):
            if (status := session.status) is not None:
                line = status.details if verbose else status.line
                sys.stderr.write(f"\r\x1b[K{line}" if is_terminal else f"{line}\n")
                sys.stderr.flush()

    if not quiet:
        Thread(target=tell, name="status", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if is_terminal and not quiet:
            sys.stderr.write("\n")
