"""A live stream from its options to its end: puts the parts together in the order that starts soonest."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Literal

from maskstream.errors import InputError
from maskstream.live.capture import Capture
from maskstream.matte.config import MatteConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from maskstream.arrays import Frame
    from maskstream.background.sources import Background
    from maskstream.live.capture import Captured
    from maskstream.live.finder import FirstMask
    from maskstream.live.ladder import Rung
    from maskstream.live.pipeline import LiveConfig, LivePipeline
    from maskstream.live.sinks import Sink, SinkRunner
    from maskstream.live.sinks.sink import Routes
    from maskstream.live.sources.source import Source
    from maskstream.live.status import Status

    LabelMap = NDArray[np.uint8]

logger = logging.getLogger(__name__)

PATIENCE = 20.0  #: seconds that a source may take for its first picture
_FADE = 0.4  # seconds in which the slate fades into what comes after it
_TICK = 0.2  # seconds between two looks at whether to end

Subject = Literal["auto", "clean-plate", "last"]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """What a live stream is made of.

    Attributes:
        source: as ``open_source`` takes it (``camera``, a file, ``rtsp://``, ...), or a source.
        background: as ``open_background`` takes it: a path, ``blur``, or a colour.
        outputs: as ``open_sink`` takes them (``page``, ``copy.mp4``, ``rtmp://``, ...), or sinks.
        mask: of the first frame, ``(H, W)``, or the path of one.
        box: (x, y, width, height) in pixels, around the subject in the first frame.
        subject: ``auto``: detected, people first; ``clean-plate``: whoever comes into the empty room;
            ``last``: who was followed the last time. None: ``auto``, or with a key in ``matte`` nobody: the
            key decides alone. At most one of ``mask``, ``box`` and ``subject`` is given.
        largest: of several people only the one who is seen largest.
        remember: keep a small picture of the subject, and of the room, for ``last``.
        matte: how edges are made.
        background_folder: whose files others may choose by the page and its interface; None: that of
            ``background``, if it is a file.
        overwrite: whether files that exist may be replaced.
        fit, position, fill, background_fps, blur_strength, blur_falloff: as for ``open_background``.
        light_wrap, match_colour: as for ``CompositeConfig``.
        slate: picture that is shown instead of the room; None: a dark one with two words.
        lost_seconds: how long the subject may be away until the slate is shown; None: the background stays.
        picture: (width, height) of all that leaves; None: the source's.
        fps: pictures a second at most; None: the source's, at most 30.
        loop: begin a file again at its end.
        model: name of a model, or an exported folder.
        threads: of the CPU; None: all.
        size: lines that the network sees, always; None: its default, or less where the machine is slow.
        rest: whether the network rests while nothing moves.
        seconds: end after so long; None: when the source does.
    """

    source: str | Path | Source = "camera"
    background: str | Path
    outputs: Sequence[str | Sink] = ("page",)
    mask: LabelMap | str | Path | None = None
    box: Box | None = None
    subject: Subject | None = None
    largest: bool = False
    remember: bool = False
    matte: MatteConfig = MatteConfig()  # noqa: RUF009 - frozen
    background_folder: str | Path | None = None
    overwrite: bool = False
    fit: str = "cover"
    position: tuple[float, float] = (0.5, 0.5)
    fill: str = "black"
    background_fps: float | None = None
    blur_strength: float = 0.03
    blur_falloff: float = 0.0
    light_wrap: float = 0.0
    match_colour: float = 0.0
    slate: Path | None = None
    lost_seconds: float | None = 1.0
    picture: tuple[int, int] | None = None
    fps: float | None = None
    loop: bool = False
    model: str | Path = "live"
    threads: int | None = None
    size: int | None = None
    rest: bool = True
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("mask", "box", "subject") if getattr(self, name) is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} are given; the subject is named in one way only")


class LiveSession:
    """One live stream. Making it opens the camera; everything heavy comes with ``run``.

    Args:
        options: what it is made of.
        say: takes lines for the user: where to look, what to do.
        on_stage: told of each part of the start when it is done, by name.

    Raises:
        InputError: there is no such source.

    Example:
        >>> from maskstream import LiveOptions, LiveSession
        >>> options = LiveOptions(source="talk.mp4", background="blur", outputs=["copy.mp4"])
        >>> with LiveSession(options) as session:
        ...     session.run()  # until the file ends, or ``stop`` is called from another thread
    """

    def __init__(
        self,
        options: LiveOptions,
        *,
        say: Callable[[str], None] = logger.info,
        on_stage: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.options = options
        self._say = say
        self._on_stage = on_stage
        self._capture = Capture(options.source, options.picture, options.fps, options.loop)
        self._reached("source asked for")
        self._pipeline: LivePipeline | None = None
        self._sinks: SinkRunner | None = None
        self._sinks_failed: InputError | None = None
        self._ended = Event()

    def __enter__(self) -> LiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self) -> None:
        """Work until the source ends, ``stop`` is called, or no sink is working.

        Raises:
            InputError: an option or a file can't be used.
            OSError: the source gives no picture.
        """
        with ExitStack() as stack:
            pipeline = self._assemble(stack)
            stopped = self._ended.is_set()
            Thread(target=self._watch, args=(pipeline,), name="session", daemon=True).start()
            stack.callback(self._ended.set)
            if self.options.remember:
                stack.callback(self._remember, pipeline)
            if stopped:
                pipeline.stop()
            pipeline.run()
        if self._sinks_failed is not None:
            raise self._sinks_failed

    def stop(self) -> None:
        """End soon, with whole files. From any thread, at any time."""
        self._ended.set()
        if self._pipeline is not None:
            self._pipeline.stop()

    def close(self) -> None:
        """Stop everything, the camera too."""
        self.stop()
        self._capture.close()

    # While it runs, from any thread

    @property
    def places(self) -> dict[str, str]:
        """By sink, where to look, of those that can tell; empty until ``run`` has opened them."""
        return {} if self._sinks is None else self._sinks.places

    @property
    def status(self) -> Status | None:
        """How it goes; None until the first picture."""
        return None if self._pipeline is None else self._pipeline.status

    @property
    def panic(self) -> bool:
        """Whether the slate is asked for."""
        return self._running.panic

    @panic.setter
    def panic(self, wanted: bool) -> None:
        self._running.panic = wanted

    def set_background(self, what: str | Path) -> None:
        """Put another background behind, from the next picture on.

        Raises:
            InputError: it can't be opened, or the stream has not begun.
        """
        self._running.set_background(self._background(what))

    def offer_background(self, what: str) -> None:
        """The same for others than the owner: programs and pages that were given the address.

        They may choose ``blur``, a colour, and files in ``background_folder``; a name is looked for there.

        Raises:
            InputError: it is none of these, can't be opened, or the stream has not begun.
        """
        self._running.set_background(self._background(self._offered(what)))

    def set_subject(self, what: str) -> None:
        """Follow another subject, from the next frame on: ``auto``, ``clean-plate`` or ``box:x,y,w,h``.

        Raises:
            InputError: it is none of these, or the stream has not begun.
        """
        from maskstream.first_mask.box import clipped
        from maskstream.live.first_masks import parse_box

        running = self._running
        first_mask = self._named(what)
        if what.startswith("box:"):
            assert self._capture.size is not None
            clipped(parse_box(what[4:]), self._capture.size[::-1])
        running.set_subject(first_mask)

    def _offered(self, what: str) -> str | Path:
        """A background that others may choose."""
        from maskstream.background.colours import find_colour

        if what == "blur" or find_colour(what) is not None:
            return what
        folder = self.options.background_folder
        if folder is None:
            first = Path(self.options.background)
            folder = first.parent if os.path.exists(first) else None
        refusal = f"background {what[:100]!r}: give blur, a colour, or a file "
        if folder is None:
            raise InputError(f"{refusal}in the folder that --background-folder names; none was given")
        try:
            root, path = Path(folder).resolve(), (Path(folder) / what).resolve()
            is_there = path.parent == root and (path.is_file() or path.is_dir())
        except (OSError, ValueError, RuntimeError):
            is_there = False
        if not is_there:
            raise InputError(f"{refusal}in the folder of backgrounds; there is none of that name")
        return path

    @property
    def _source_name(self) -> str:
        source = self.options.source
        return str(source) if isinstance(source, str | Path) else self._capture.name

    @property
    def _running(self) -> LivePipeline:
        if self._pipeline is None:
            raise InputError("the stream has not begun yet; try again in a moment")
        return self._pipeline

    # The start

    def _assemble(self, stack: ExitStack) -> LivePipeline:
        from maskstream.background.compositor import CompositeConfig
        from maskstream.live.pipeline import LivePipeline
        from maskstream.live.sinks import SinkRunner
        from maskstream.live.slate import draw_slate, read_slate
        from maskstream.replacement.replacer import BackgroundReplacer
        from maskstream.runtime.load import load_model
        from maskstream.streaming.segmenter import VideoSegmenter

        options = self.options
        self._reached("imported")
        background = self._background(options.background)
        stack.callback(background.close)
        composite = CompositeConfig(options.light_wrap, options.match_colour)
        self._reached("background opened")
        sinks = self._open_sinks()
        runner = self._sinks = SinkRunner(sinks)
        stack.callback(runner.close)
        model = load_model(options.model, threads=options.threads)
        is_marked = options.mask is not None or options.box is not None
        first_mask = None if is_marked else self._found()
        self._reached("networks loaded")
        frame = self._first_frame()
        self._reached("first picture")
        if is_marked:
            first_mask = self._marked(frame.image)
        rungs = self._rungs(model.info.default_size)
        segmenter = None if first_mask is None else VideoSegmenter(model, size=rungs[0].size)
        width, height = frame.image.shape[1::-1]
        slate = draw_slate(width, height)
        if options.slate is not None:
            slate = read_slate(options.slate, width, height)
        replacer = BackgroundReplacer(segmenter, background, matte=self._matte(frame), composite=composite)
        pipeline = LivePipeline(self._capture, replacer, first_mask, slate, runner, self._config(rungs))
        runner.open((width, height), pipeline.fps, self._capture.audio)
        self._pipeline = pipeline
        for sink in sinks:
            where = runner.places.get(sink.name)
            self._say(f"{sink.name}: {where}" if where else sink.name)
        return pipeline

    def _open_sinks(self) -> list[Sink]:
        from maskstream.live.control import Control
        from maskstream.live.sinks import open_sink
        from maskstream.live.sinks.open import file_of

        control = Control(self)
        routes: Routes = control.routes
        named = [output for output in self.options.outputs if isinstance(output, str)]
        self._check_files([path for text in named if (path := file_of(text)) is not None])
        return [
            open_sink(output, routes=routes, on_key=control.key, overwrite=self.options.overwrite)
            if isinstance(output, str)
            else output
            for output in self.options.outputs
        ]

    def _check_files(self, outputs: list[Path]) -> None:
        """Refuse to write what is read, and two outputs into one file."""
        options = self.options
        read = [options.source, options.background, options.mask, options.slate]
        for number, output in enumerate(outputs):
            where = os.path.realpath(output)
            for path in read:
                if isinstance(path, str | Path) and os.path.realpath(path) == where and os.path.exists(path):
                    raise InputError(f"{output}: is read by this stream; give the output another name")
            if where in [os.path.realpath(other) for other in outputs[:number]]:
                raise InputError(f"{output}: two outputs go to this file; give each a name of its own")

    def _background(self, what: str | Path) -> Background:
        from maskstream.background.sources import open_background

        options = self.options
        return open_background(
            what,
            options.fit,
            options.position,
            fill=options.fill,
            fps=options.background_fps,
            strength=options.blur_strength,
            falloff=options.blur_falloff,
        )

    def _marked(self, frame: Frame) -> FirstMask:
        """What is marked in the first frame."""
        from maskstream.first_mask.box import from_box
        from maskstream.live.first_masks import MarkedFrame
        from maskstream.masks.read import read_label_map

        mask = self.options.mask
        if mask is None:
            assert self.options.box is not None
            return MarkedFrame(frame, from_box(frame, self.options.box), "the box")
        if isinstance(mask, str | Path):
            return MarkedFrame(frame, read_label_map(mask).label_map, str(mask))
        return MarkedFrame(frame, mask, "the mask")

    def _found(self) -> FirstMask | None:
        """Who is to be found; None: whoever is in front of the screen."""
        from maskstream.first_mask.remembered import recall
        from maskstream.live.first_masks import MarkedFrame

        subject = self.options.subject
        if subject is None and self.options.matte.key is not None:
            return None
        if subject == "last":
            if (known := recall(None, self._source_name)) is not None:
                return MarkedFrame(known.frame, known.label_map, "the remembered mask")
            self._say("no subject is remembered for this source; detecting it")
            subject = "auto"
        return self._named(subject or "auto")

    def _named(self, what: str) -> FirstMask:
        """The first mask that a word stands for.

        Raises:
            InputError: it stands for none.
        """
        from maskstream.live import first_masks

        kind, _, rest = what.partition(":")
        if what == "auto":
            return first_masks.DetectedSubject(self.options.largest)
        if what == "clean-plate":
            return first_masks.CleanPlateSubject(self._say)
        if kind == "box":
            return first_masks.BoxedObject(first_masks.parse_box(rest))
        raise InputError(f"subject {what!r}: give auto, box:x,y,w,h or clean-plate")

    def _config(self, rungs: tuple[Rung, ...]) -> LiveConfig:
        from maskstream.live.guard import GuardConfig
        from maskstream.live.pipeline import LiveConfig

        options = self.options
        by_hand = options.mask is not None or options.box is not None
        return LiveConfig(
            fps=options.fps,
            rungs=rungs,
            rest=options.rest,
            search_again=not by_hand and options.subject in (None, "auto"),
            guard=GuardConfig(lost_seconds=options.lost_seconds, fade_seconds=_FADE),
        )

    def _first_frame(self) -> Captured:
        """The first picture; the next ones are the pipeline's."""
        start = monotonic()
        while not self._capture.wait_ready(1.0):
            if self._ended.is_set() or monotonic() - start > PATIENCE:
                raise OSError(f"no picture comes: {self._capture.why}")
        assert self._capture.first is not None
        return self._capture.first

    def _matte(self, frame: Captured) -> MatteConfig:
        """How edges are made; a screen behind the subject is keyed automatically."""
        from maskstream.matte.screen import find_key

        matte = self.options.matte
        if matte.key is None and self.options.mask is None and self.options.box is None:
            key = find_key(frame.image)
            if key is not None:
                colour = "".join(f"{value:02x}" for value in key.colour or ())
                self._say(f"a screen of the colour #{colour} is behind the subject; it is keyed out")
                return replace(matte, key=key)
        return matte

    def _rungs(self, default_size: int | None) -> tuple[Rung, ...]:
        from maskstream.live.ladder import RUNGS, Rung

        if self.options.size:
            return (Rung(self.options.size),)
        size = default_size or RUNGS[0].size
        return (Rung(size), *(rung for rung in RUNGS if rung.size < size))

    def _reached(self, name: str) -> None:
        self._on_stage(name)

    # The end

    def _watch(self, pipeline: LivePipeline) -> None:
        """End in time, or when the last sink has failed."""
        assert self._sinks is not None
        start = monotonic()
        while not self._ended.wait(_TICK):
            if self.options.seconds is not None and monotonic() - start >= self.options.seconds:
                pipeline.stop()
            failed = self._sinks.given_up
            if failed and len(failed) == len(self._sinks.status):
                self._sinks_failed = InputError("; ".join(f"{name}: {why}" for name, why in failed.items()))
                pipeline.stop()

    def _remember(self, pipeline: LivePipeline) -> None:
        """Keep the subject for the next time."""
        from maskstream.first_mask.remembered import remember

        if (reference := pipeline.reference) is not None:
            path = remember(None, self._source_name, reference.frame, reference.label_map)
            self._say(f"a picture of the subject, and the room, is kept in {path}")
