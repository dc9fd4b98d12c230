"""The work of ``maskstream live``: puts the parts together in the order in which a start is quickest."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from maskstream.cli._progress import say
from maskstream.errors import InputError
from maskstream.live.capture import Capture

if TYPE_CHECKING:
    from maskstream.live.capture import Captured
    from maskstream.live.guard import Frame, Sealed
    from maskstream.live.ladder import Rung
    from maskstream.live.pipeline import FirstMask, LivePipeline
    from maskstream.live.sinks import SinkRunner
    from maskstream.matte.config import MatteConfig
    from maskstream.replacement.replacer import BackgroundReplacer
    from maskstream.streaming.segmenter import VideoSegmenter

logger = logging.getLogger(__name__)

PATIENCE = 20.0  #: seconds that a source may take for its first picture
_PLAIN_SECONDS = 10.0  # between two lines of status where there is no terminal


class LiveSession:
    """One run of ``maskstream live``. Making it opens the camera; everything heavy comes after.

    Args:
        args: of the command line.

    Attributes:
        milestones: monotonic seconds at which the parts of the start were done, in order.
        on_composite: called with each new composite that leaves.
        pipeline: None until it is put together.
        replacer_type: what makes the composites; another one for comparisons.

    Raises:
        InputError: there is no such source.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._capture = Capture(args.source, args.picture, args.fps, args.loop)
        self.milestones: dict[str, float] = {"source asked for": monotonic()}
        self.on_composite: Callable[[Sealed], None] = lambda sealed: None
        self.pipeline: LivePipeline | None = None
        self.replacer_type: type[BackgroundReplacer] | None = None
        self._sinks: SinkRunner | None = None
        self._useless: InputError | None = None
        self._ended = Event()

    def run(self) -> None:
        """Until the source ends or Ctrl-C.

        Raises:
            InputError: an option or a file can't be used.
            OSError: the source gives no picture.
        """
        with ExitStack() as stack:
            pipeline = self._assemble(stack)
            Thread(target=self._watch, args=(pipeline,), daemon=True).start()
            stack.callback(self._ended.set)
            if self._args.remember:
                stack.callback(self._remember, pipeline)
            pipeline.run()
        if self._useless is not None:
            raise self._useless

    def close(self) -> None:
        """Stop everything."""
        self._ended.set()
        if self.pipeline is not None:
            self.pipeline.stop()
        self._capture.close()

    def stop(self) -> None:
        """End soon."""
        if self.pipeline is not None:
            self.pipeline.stop()

    def _assemble(self, stack: ExitStack) -> LivePipeline:
        args = self._args
        from maskstream.cli._look_options import background_of, composite_of
        from maskstream.live.control import Control
        from maskstream.live.guard import GuardConfig
        from maskstream.live.pipeline import LiveConfig, LivePipeline
        from maskstream.live.sinks import SinkRunner, open_sink
        from maskstream.live.slate import draw_slate, read_slate
        from maskstream.replacement.replacer import BackgroundReplacer
        from maskstream.runtime.load import load_model
        from maskstream.streaming.segmenter import VideoSegmenter

        self._reached("imported")
        background = background_of(args, args.background)
        stack.callback(background.close)
        self._reached("background opened")
        control = Control(lambda what: background_of(args, what), self.subject)
        outputs = args.output or ["page"]
        named = [open_sink(text, routes=control.routes, on_key=control.key) for text in outputs]
        sinks = self._sinks = SinkRunner(named)
        model = load_model(args.model, threads=args.threads)
        finder = None if self._named_subject else self._first_mask(None)
        self._reached("networks loaded")
        frame = self._first_frame()
        self._reached("first picture")
        first_mask = self._first_mask(frame.image) if self._named_subject else finder
        matte = self._matte(frame)
        rungs = self._rungs(model.info.default_size)
        segmenter: VideoSegmenter | None = None
        if first_mask is not None:
            segmenter = VideoSegmenter(model, rungs[0].size)
        width, height = frame.image.shape[1::-1]
        slate = read_slate(args.slate, width, height) if args.slate else draw_slate(width, height)
        pipeline = LivePipeline(
            self._capture,
            (self.replacer_type or BackgroundReplacer)(
                segmenter, background, matte=matte, composite=composite_of(args)
            ),
            segmenter,
            first_mask,
            slate,
            sinks,
            LiveConfig(
                fps=args.fps,
                rungs=rungs,
                rest=not args.no_rest,
                search_again=not (args.mask or args.box or args.clean_plate or args.last),
                guard=GuardConfig(lost_seconds=args.lost),
            ),
        )
        pipeline.on_picture = self._left
        control.attach(pipeline)
        self.pipeline = pipeline
        sinks.open((width, height), pipeline.fps, self._capture.audio)
        for sink in named:
            where = sinks.places.get(sink.name)
            self._say(f"{sink.name}: {where}" if where else sink.name)
        return pipeline

    def _remember(self, pipeline: LivePipeline) -> None:
        """Keep the subject for ``--last``."""
        from maskstream.first_mask.remembered import remember

        if (reference := pipeline.reference) is not None:
            path = remember(None, self._args.source, reference.frame, reference.label_map)
            self._say(f"a picture of the subject, and the room, is kept in {path}")

    @property
    def _named_subject(self) -> bool:
        """Whether the first frame is marked by hand."""
        return bool(self._args.mask or self._args.box)

    def _first_mask(self, frame: Frame | None) -> FirstMask | None:
        """Who is to be found; None: whoever stands before the screen."""
        args = self._args
        if frame is not None:
            from maskstream.first_mask.box import from_box
            from maskstream.live.subjects import Given
            from maskstream.masks.read import read_label_map

            if args.mask:
                return Given(frame, read_label_map(args.mask).label_map, str(args.mask))
            return Given(frame, from_box(frame, args.box), "--box")
        if args.green_screen is not None and not (args.auto or args.clean_plate or args.last):
            return None
        if args.last:
            from maskstream.first_mask.remembered import recall
            from maskstream.live.subjects import Given

            if (known := recall(None, args.source)) is not None:
                return Given(known.frame, known.label_map, "--last")
            self._say("nobody is remembered of this source; the subject is looked for")
        return self.subject("clean-plate" if args.clean_plate else "auto")

    def subject(self, what: str) -> FirstMask:
        """The first mask that a word stands for.

        Raises:
            InputError: it stands for none.
        """
        from maskstream.live import subjects

        kind, _, rest = what.partition(":")
        if kind == "auto":
            return subjects.Automatic(self._args.largest)
        if kind == "clean-plate":
            return subjects.SteppedOut(self._say)
        if kind == "box":
            from maskstream.cli._option_types import box

            try:
                return subjects.Chosen(box(rest))
            except argparse.ArgumentTypeError as error:
                raise InputError(f"subject {error}") from error
        raise InputError(f"subject {what!r}: give auto, box:x,y,w,h or clean-plate")

    def _first_frame(self) -> Captured:
        """The first picture; the next ones are the pipeline's."""
        start = monotonic()
        while not self._capture.wait_ready(1.0):
            if monotonic() - start > PATIENCE:
                raise OSError(f"no picture comes: {self._capture.why}")
        assert self._capture.first is not None
        return self._capture.first

    def _matte(self, frame: Captured) -> MatteConfig:
        """How edges are made; a screen that is behind the subject is keyed though nobody said so."""
        from dataclasses import replace

        from maskstream.cli._look_options import matte_of
        from maskstream.matte.screen import find_key

        matte = matte_of(self._args)
        if matte.key is None and self._args.mask is None and self._args.box is None:
            key = find_key(frame.image)
            if key is not None:
                colour = "".join(f"{value:02x}" for value in key.colour or ())
                self._say(f"a screen is behind the subject, of the colour #{colour}")
                return replace(matte, key=key)
        return matte

    def _rungs(self, default_size: int | None) -> tuple[Rung, ...]:
        from maskstream.live.ladder import RUNGS, Rung

        if self._args.size:
            return (Rung(self._args.size),)
        size = default_size or RUNGS[0].size
        return (Rung(size), *(rung for rung in RUNGS if rung.size < size))

    def _reached(self, name: str) -> None:
        self.milestones[name] = monotonic()

    def _left(self, sealed: Sealed) -> None:
        """A picture has left."""
        if sealed.slate is None:
            self.milestones.setdefault("first composite", monotonic())
            self.on_composite(sealed)

    def _watch(self, pipeline: LivePipeline) -> None:
        """End in time, or when nobody is shown anything any more; and tell the status."""
        assert self._sinks is not None
        start = told = monotonic()
        is_terminal = sys.stderr.isatty()
        while not self._ended.wait(0.2):
            now = monotonic()
            if self._args.seconds is not None and now - start >= self._args.seconds:
                pipeline.stop()
            failed = self._sinks.given_up
            if len(failed) == len(self._sinks.status):
                self._useless = InputError("; ".join(f"{name}: {why}" for name, why in failed.items()))
                pipeline.stop()
            if not self._args.quiet and now - told >= (1.0 if is_terminal else _PLAIN_SECONDS):
                told, line = now, pipeline.status().line
                sys.stderr.write(f"\r\x1b[K{line}" if is_terminal else f"{line}\n")
                sys.stderr.flush()
        if is_terminal and not self._args.quiet:
            sys.stderr.write("\n")

    def _say(self, text: str) -> None:
        say(text, self._args.quiet)
