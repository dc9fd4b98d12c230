"""Objects that are marked in single frames, in all of a video: label maps first, resumably, then the rest."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from maskstream.arrays import Frame, LabelMap
from maskstream.errors import InputError
from maskstream.first_mask.box import Box
from maskstream.jobs.adapting import KEPT, JobSegmenters
from maskstream.jobs.checkpoint import AGAIN, Checkpoint, digest, pictures_in, resumable_error
from maskstream.jobs.frames import FrameRange, check_all_came, check_frame_size, check_names
from maskstream.jobs.interrupts import interrupts_wait, retold
from maskstream.jobs.job import Job, JobCancelled, JobResult
from maskstream.jobs.marks import Mark, MaskMark, MaskSource, detected_marks, marks_of, read_marks
from maskstream.jobs.outputs import PathLike, SegmentOutputs, publish
from maskstream.jobs.photos import tell_of_photos
from maskstream.jobs.progress import OnProgress, Phase
from maskstream.masks.draw import mask_colours, overlay
from maskstream.masks.palette import present_ids, write_label_map
from maskstream.masks.rle import RleWriter
from maskstream.streaming.options import SegmenterOptions
from maskstream.streaming.segmentation import Segmentation, Segmenter
from maskstream.video.probe import VideoInfo, probe
from maskstream.video.read import VideoFrame, read_reversed, read_video
from maskstream.video.write import VideoWriter

logger = logging.getLogger(__name__)

Sink = Callable[[VideoFrame, LabelMap], None]
OnSegmented = Callable[[VideoFrame, Segmentation], None]
SAVE_SECONDS = 20.0


@dataclass(frozen=True)
class SegmentOptions:
    """All that a segmentation depends on. It can be pickled; without arrays in the marks it is plain data.

    Attributes:
        source: video file or folder of images.
        output: folder (a palette PNG for each frame), ``.json`` (run lengths) or video; None: not wanted.
        overlay: video of the masks over the frames; True: named after ``output``; None: not wanted.
        marks: what is followed, see `marks_of`; empty: the mask that a data set brings, else the detected
            main subject.
        ids: only these objects of the marks; None: all.
        frames: which frames.
        backward: also go back, from the first mask of each object.
        threshold_soft: soft edges of masks are meant to be rounded: no word about it.
        largest: of a detected subject only the largest part.
        overwrite: replace outputs that exist.
        segmenter: which networks, and how.
    """

    source: str
    output: str | None = None
    overlay: str | bool | None = None
    marks: tuple[Mark, ...] = ()
    ids: tuple[int, ...] | None = None
    frames: FrameRange = field(default_factory=FrameRange)
    backward: bool = False
    threshold_soft: bool = False
    largest: bool = False
    overwrite: bool = False
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)


def segment_video(
    source: PathLike,
    output: PathLike | None = None,
    *,
    masks: Mapping[int, MaskSource] | MaskSource | None = None,
    boxes: Mapping[int, Box | Sequence[Box]] | Box | Sequence[Box] | None = None,
    ids: Sequence[int] | None = None,
    overlay: PathLike | bool | None = None,
    start: int = 0,
    end: int | None = None,
    every: int = 1,
    backward: bool = False,
    largest: bool = False,
    threshold_soft: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    model: PathLike | SegmenterOptions = "live",
    on_progress: OnProgress | None = None,
    on_frame: OnSegmented | None = None,
) -> JobResult:
    """Follow marked objects through a video, and write their masks.

    Args:
        source: video file or folder of images.
        output: folder (a palette PNG for each frame), ``.json`` (run lengths) or video (the masks' colours).
        masks: by frame index, or of the first frame: an image file, a folder of one file an object, several
            files, or an array ``(H, W)`` of object ids. Without masks and boxes the main subject is detected.
        boxes: by frame index, or of the first frame: ``(x, y, width, height)`` in pixels, or several.
        ids: only these objects of the masks.
        overlay: video of the masks over the frames; True: named after ``output``.
        start: index of the first frame.
        end: index of the frame to stop before.
        every: only every so-many-th frame.
        backward: also go back, from the first mask of each object to ``start``.
        largest: of a detected subject only the largest part.
        threshold_soft: soft edges of masks are meant to be rounded: no word about it.
        overwrite: replace outputs that exist.
        resume: continue an interrupted run where it stopped.
        model: name or exported folder of the network, or all options of the segmenter.
        on_progress: called with the progress so far.
        on_frame: is given each frame with its result, in the order in which they are made.

    Example:
        >>> segment_video(
        ...     "clip.mp4", "masks/", masks={0: "first.png", 120: "fixed.png"}, backward=True
        ... )
        JobResult(frames=124, outputs=(PosixPath('masks'),))

    Raises:
        InputError: something given can't be used; nothing was written.
        OSError: disk full and the like; what was done is kept for ``resume``.
        KeyboardInterrupt: after saving; it can be resumed.
    """
    options = SegmentOptions(
        os.fspath(source),
        None if output is None else os.fspath(output),
        overlay if overlay is None or isinstance(overlay, bool) else os.fspath(overlay),
        marks_of(masks, boxes, start),
        None if ids is None else tuple(ids),
        FrameRange(start, end, every),
        backward=backward,
        threshold_soft=threshold_soft,
        largest=largest,
        overwrite=overwrite,
        segmenter=model if isinstance(model, SegmenterOptions) else SegmenterOptions((os.fspath(model),)),
    )
    return SegmentJob(options, on_progress=on_progress, on_frame=on_frame).run(resume=resume)


@dataclass(frozen=True)
class _Task:
    """The options, checked and read.

    Attributes:
        info: of the input.
        masks: label maps by frame index, at least one.
        outputs: where to, checked.
    """

    info: VideoInfo
    masks: dict[int, LabelMap]
    outputs: SegmentOutputs


class SegmentJob(Job):
    """One run over one input, which can be interrupted and resumed.

    Label maps are written one by one to a hidden folder beside the output, together with a snapshot of the
    segmenter. When all are there, everything else is drawn from them, and they move to their place.

    Backwards, each object goes from the first mask that it has to the start; where both passes claim a
    pixel, the forward one is right.

    Example:
        >>> job = SegmentJob(SegmentOptions("clip.mp4", "other"), on_progress=lambda progress: job.cancel())
        >>> job.run()  # cancelled as soon as it starts; `pause` and `unpause` may come from any thread
        Traceback (most recent call last):
        maskstream.jobs.job.JobCancelled: ...
    """

    def __init__(
        self,
        options: SegmentOptions,
        *,
        segmenters: Callable[[], Segmenter] | None = None,
        on_progress: OnProgress | None = None,
        on_frame: OnSegmented | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            options: what to do.
            segmenters: makes fresh segmenters of networks that are loaded already; None: they are loaded as
                the options say.
            on_progress: called with the progress so far, in the job's own thread.
            on_frame: is given each frame with its result, in that thread, in the order in which they are
                made. Backwards they come first, from the last to the first.
        """
        super().__init__(on_progress)
        self.options = options
        self._segmenters = segmenters
        self.on_frame = on_frame
        self._task: _Task | None = None

    def check(self, *, resume: bool = False) -> None:
        """Refuse what can't be done, before any work; only the network isn't loaded yet.

        Raises:
            InputError: something in the options can't be used.
        """
        options = self.options
        outputs = SegmentOutputs.of(options.output, options.overlay)
        info = probe(options.source)
        options.frames.check(info)
        check_names(info)
        marks = options.marks or annotation_of(info, options.frames.start)
        if options.largest and marks:
            raise InputError(
                "`largest`: is for a subject that is detected; leave it out where there is a mask"
            )
        sources = [path for mark in marks if isinstance(mark, MaskMark) for path in mark.sources]
        outputs.check([info.path, *sources], options.overwrite, resume)
        tell_of_photos(info, options.frames)
        if marks:
            masks = read_marks(
                marks, info, options.frames, options.ids, threshold_soft=options.threshold_soft
            )
        else:
            logger.info("no mask given; detecting the main subject automatically (people first)")
            masks = detected_marks(info, options.frames, largest=options.largest, on_progress=self.told)
        self._task = _Task(info, masks, outputs)

    def run(self, *, resume: bool = False) -> JobResult:
        """Do all of it.

        Args:
            resume: continue an interrupted run of the same options where it stopped.

        Returns:
            How many frames were segmented, and where to.

        Raises:
            InputError: something can't be used, or there is nothing like this run to resume; nothing is left.
            JobCancelled: after saving.
            OSError: disk full and the like; what was done is kept.
            KeyboardInterrupt: after saving.
        """
        if self._task is None:
            self.check(resume=resume)
        task = self._task
        assert task is not None
        made = JobSegmenters(self, self.options.segmenter, task.info, self.options.frames, task.masks)
        kept = task.outputs.part / KEPT if resume else None
        segmenters = self._segmenters or made.load(kept)
        if min(task.masks) > self.options.frames.start and not self.options.backward:
            logger.info(
                "frames before the first mask (%d) stay empty; `backward=True` goes back from it",
                min(task.masks),
            )
        count = _SegmentRun(self, task, segmenters, made.keep).run(resume)
        return JobResult(count, tuple(task.outputs.all))


class _SegmentRun:
    """The passes of a job over its frames, and what is saved between them."""

    def __init__(
        self,
        job: SegmentJob,
        task: _Task,
        segmenters: Callable[[], Segmenter],
        keep_network: Callable[[Path], None],
    ) -> None:
        options = job.options
        self._job, self._info, self._outputs = job, task.info, task.outputs
        self._frames = options.frames
        first_masks = _first_masks(task.masks)
        self._masks = {Phase.FORWARD: task.masks, Phase.BACKWARD: first_masks}
        self._last_first = max(first_masks)
        self._backward = options.backward and self._last_first > self._frames.start
        self._first = min(task.masks) if self._backward else self._frames.start
        self._make_segmenter, self._segmenter = segmenters, segmenters()
        self._keep_network = keep_network
        identity = {
            **options.segmenter.identity(),
            "frames": asdict(self._frames),
            "backward": options.backward,
        }
        self._checkpoint = Checkpoint(task.outputs, digest(task.info, task.masks, identity))
        self._folder = self._checkpoint.part / "masks"

    def run(self, resume: bool) -> int:
        """See `SegmentJob.run`."""
        phase, last = self._begin(resume)
        try:
            if phase == Phase.BACKWARD:
                self._segment(phase, last)
                self._segmenter = self._make_segmenter()
                phase, last = Phase.FORWARD, None
                self._save(phase, last)
            if phase == Phase.FORWARD:
                self._segment(phase, last)
                phase = Phase.DRAW
                self._save(phase, None)
            if phase == Phase.DRAW:
                self._draw()
            return self._publish(phase)
        except InputError:
            self._checkpoint.remove()
            raise
        except OSError as error:
            raise resumable_error(error, self._outputs) from error
        finally:
            self._checkpoint.close()

    def _begin(self, resume: bool) -> tuple[Phase, int | None]:
        """The phase, and its last frame that is done."""
        note = self._checkpoint.begin(self._segmenter, resume)
        try:
            if note is not None:
                phase, last = Phase(note["phase"]), note["last"]
                self._checkpoint.check_pictures(self._folder, self._counts(phase, last))
                return phase, last
            phase = Phase.BACKWARD if self._backward else Phase.FORWARD
            self._folder.mkdir(parents=True)
            self._keep_network(self._checkpoint.part)
            self._save(phase, None)
        except InputError:
            self._checkpoint.close()
            raise
        except OSError:
            self._checkpoint.remove()
            raise
        return phase, None

    def _counts(self, phase: Phase, last: int | None) -> Callable[[str], bool]:
        """Whether the label map of a name is finished when the run stopped at this point."""
        indices = {path.stem: index for index, path in enumerate(self._info.images)}

        def counts(name: str) -> bool:
            index = indices[name] if name in indices else int(name)
            if phase == Phase.BACKWARD:
                return last is not None and index >= last
            if phase == Phase.FORWARD:
                done = last is not None and index <= last
                return done or (self._backward and index < self._last_first)
            return True

        return counts

    def _segment(self, phase: Phase, last: int | None) -> None:
        """One pass; on the way, and when it is interrupted, everything is saved."""
        saved = time.monotonic()
        total, done = self._count(phase, last)
        step = 1 if phase == Phase.FORWARD else -1
        unseen = {i for i in self._masks[phase] if last is None or step * (i - last) > 0}
        meter = self._job.meter(phase, total, done)
        try:
            with closing(self._read(phase, last)) as frames:
                for frame in frames:
                    self._job.stay()
                    with interrupts_wait():
                        self._step(phase, frame)
                        unseen.discard(frame.index)
                        last = frame.index
                        if time.monotonic() - saved > SAVE_SECONDS:
                            self._save(phase, last)
                            saved = time.monotonic()
                    meter.tick(frame.index)
        except (KeyboardInterrupt, JobCancelled) as error:
            with interrupts_wait():
                self._save(phase, last)
            where = "before the first frame" if last is None else f"after frame {last}"
            raise retold(error, f"stopped {where}; {AGAIN}") from None
        check_all_came(self._info, unseen)

    def _step(self, phase: Phase, frame: VideoFrame) -> None:
        check_frame_size(self._info, frame)
        result = self._segmenter.step(frame.image, self._masks[phase].get(frame.index))
        label_map = result.label_map
        path = self._folder / f"{frame.name}.png"
        is_shared = phase == Phase.FORWARD and self._backward and frame.index < self._last_first
        if is_shared and path.exists():
            label_map = np.where(label_map, label_map, _read_png(path))
        write_label_map(path, label_map)
        self._checkpoint.wrote(path)
        if self._job.on_frame is not None:
            self._job.on_frame(frame, result)

    def _read(self, phase: Phase, last: int | None) -> Generator[VideoFrame, None, None]:
        """The frames of a pass that come after its last one."""
        path, frames = self._info.path, self._frames
        if phase == Phase.BACKWARD:
            end = self._last_first + 1 if last is None else last
            if end > frames.start:
                with closing(read_reversed(path, frames.start, end)) as back:
                    yield from (frame for frame in back if frame.index in frames)
            return
        # From the last frame on, which is known to be there: perhaps there is no other.
        with read_video(path, self._first if last is None else last, frames.end, frames.every) as reader:
            yield from (frame for frame in reader if last is None or frame.index > last)

    def _count(self, phase: Phase, last: int | None) -> tuple[int | None, int]:
        """Frames of a pass in all, and those that are done."""
        frames = self._frames
        if phase == Phase.BACKWARD:
            indices = range(self._last_first, frames.start - 1, -frames.every)
        else:
            ends = [n for n in (self._info.frame_count, frames.end) if n is not None]
            indices = range(self._first, min(ends, default=self._first), frames.every)
        done = 0 if last is None else abs(last - indices.start) // frames.every + 1
        return len(indices) or None, done

    def _save(self, phase: Phase, last: int | None) -> None:
        self._checkpoint.save(self._segmenter, {"phase": phase.value, "last": last})

    def _draw(self) -> None:
        """Write what is made from frames and label maps together."""
        frames = self._frames
        if not self._outputs.files:
            return
        try:
            with ExitStack() as stack:
                reader = stack.enter_context(
                    read_video(self._info.path, frames.start, frames.end, frames.every)
                )
                meter = self._job.meter(Phase.DRAW, reader.expected)
                sinks = None
                for frame in reader:
                    self._job.stay()
                    sinks = sinks or self._sinks(stack, frame.time)
                    label_map = _read_png(self._folder / f"{frame.name}.png")
                    for sink in sinks:
                        sink(frame, label_map)
                    meter.tick(frame.index)
        except (KeyboardInterrupt, JobCancelled) as error:
            raise retold(error, f"stopped while drawing; {AGAIN}") from None

    def _sinks(self, stack: ExitStack, time: Fraction | None) -> list[Sink]:
        """What takes each frame with its label map; all of it begins at ``time``."""
        outputs, info = self._outputs, self._info
        sinks: list[Sink] = []
        # Sound and all else is for the whole only, and a cut starts at zero.
        kept = info.path if self._frames.is_whole else None
        start = time if self._frames.start else None
        for path, draw in ((outputs.masks, _coloured), (outputs.overlay, overlay)):
            if path is not None:
                writer = stack.enter_context(VideoWriter(path, like=info, keep_from=kept, start=start))
                sinks.append(_drawing_sink(writer, draw))
        if outputs.rle is not None:
            rle = stack.enter_context(RleWriter(outputs.rle, (info.height, info.width)))
            sinks.append(lambda frame, label_map: rle.write(frame.index, label_map, frame.time))
        return sinks

    def _publish(self, phase: Phase) -> int:
        """Move the label maps to their place if they are wanted, and remove what is hidden."""
        outputs, label_maps = self._outputs, self._folder
        try:
            with interrupts_wait():
                if outputs.folder is not None:
                    if phase != Phase.PUBLISH:
                        outputs.remove_old()
                        self._save(Phase.PUBLISH, None)  # from here on, what is in the folder is new
                    publish(label_maps, outputs.folder)
                    label_maps = outputs.folder
                count = sum(1 for _ in pictures_in(label_maps))
                self._checkpoint.remove()
        except KeyboardInterrupt as interrupt:
            raise retold(interrupt, "but everything had been written") from None
        return count


def annotation_of(info: VideoInfo, start: int) -> tuple[Mark, ...]:
    """The first mask of a DAVIS-style sequence: ``Annotations`` where ``JPEGImages`` is in the path."""
    parts = info.path.resolve().parts
    if not info.images or "JPEGImages" not in parts or start >= len(info.images):
        return ()
    folder = Path(*("Annotations" if part == "JPEGImages" else part for part in parts))
    path = folder / f"{info.images[start].stem}.png"
    if not path.is_file():
        return ()
    logger.info("no mask given; taking the one that the data set brings, %s", path)
    return (MaskMark(start, (str(path),)),)


def _drawing_sink(writer: VideoWriter, draw: Callable[[Frame, LabelMap], Frame]) -> Sink:
    return lambda frame, label_map: writer.write(draw(frame.image, label_map), frame.time, frame.duration)


def _coloured(frame: Frame, label_map: LabelMap) -> Frame:
    return mask_colours(label_map)


def _read_png(path: Path) -> LabelMap:
    with Image.open(path) as image:
        return np.asarray(image, np.uint8)


def _first_masks(masks: dict[int, LabelMap]) -> dict[int, LabelMap]:
    """Of each object only the first mask."""
    known: list[int] = []
    first_masks = {}
    for index, label_map in sorted(masks.items()):
        new = np.where(np.isin(label_map, known), 0, label_map).astype(np.uint8)
        if new.any():
            first_masks[index] = new
            known += present_ids(new)
    return first_masks
