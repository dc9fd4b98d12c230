"""A job's network, adapted to the frames that are marked before the job begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from maskstream.adaptation.config import WAY_FRAMES
from maskstream.arrays import Frame, LabelMap
from maskstream.jobs.frames import FrameRange
from maskstream.jobs.job import Job
from maskstream.jobs.progress import Phase
from maskstream.runtime.protocol import Runtime
from maskstream.streaming.options import SegmenterOptions
from maskstream.streaming.segmentation import Segmenter
from maskstream.video.probe import VideoInfo
from maskstream.video.read import read_video

if TYPE_CHECKING:
    from maskstream.adaptation.adapt import Adapted, Stage
    from maskstream.network.model import SegmentationNetwork

logger = logging.getLogger(__name__)

#: The adapted weights, in the hidden folder of a job that can be resumed; empty if nothing was gained.
KEPT = "adapted.safetensors"
WAY_SPAN = 96  #: frames of the clip that they are spread over
MOST_MARKED = 8  #: marked frames that are adapted to, the first ones


class JobSegmenters:
    """Makes the segmenters of a job, of networks that are loaded and, if asked for, adapted.

    Args:
        job: is paused, cancelled and told of progress.
        options: which networks.
        info: of the input.
        frames: of the input.
        masks: label maps by frame index.
    """

    def __init__(
        self,
        job: Job,
        options: SegmenterOptions,
        info: VideoInfo,
        frames: FrameRange,
        masks: Mapping[int, LabelMap],
    ) -> None:
        self._job, self._options = job, options
        self._info, self._frames, self._masks = info, frames, masks
        self._network: SegmentationNetwork | None = None
        self._is_better = False

    def load(self, kept: Path | None = None) -> Callable[[], Segmenter]:
        """Load the networks, and adapt them.

        Args:
            kept: weights that an interrupted run has adapted, if they are there; they are taken as they are.

        Raises:
            InputError: a network can't be loaded or adapted.
            JobCancelled: while adapting.
        """
        options = self._options
        if options.adapt is None:
            return options.load()
        (runtime,) = options.load_models()
        from maskstream.adaptation.runtimes import running

        if kept is not None and kept.is_file():
            return options.load([running(kept, runtime) if kept.stat().st_size else runtime])
        adapted = self._adapted(runtime)
        self._network, self._is_better = adapted.network, adapted.kept
        return options.load([running(self._network, runtime) if self._is_better else runtime])

    def keep(self, folder: Path) -> None:
        """Write what was adapted: for a resumed run, and where the user wants it."""
        if self._network is None:
            return
        from maskstream.network import checkpoints

        wanted = [] if self._options.adapt_save is None else [Path(self._options.adapt_save)]
        if self._is_better:
            wanted.append(folder / KEPT)
        else:
            (folder / KEPT).touch()
        for path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            checkpoints.save(self._network, path)

    def _adapted(self, runtime: Runtime) -> Adapted:
        from maskstream.adaptation.adapt import adapt_network
        from maskstream.adaptation.config import AdaptConfig
        from maskstream.adaptation.dreams import Marked
        from maskstream.adaptation.runtimes import trainable

        assert self._options.adapt is not None
        first = min(self._masks)
        indices = sorted(self._masks)[:MOST_MARKED]
        marked = [Marked(self._frame(index), self._masks[index]) for index in indices]
        adapted = adapt_network(
            trainable(runtime),
            marked,
            AdaptConfig(self._options.adapt),
            way=self._way(first),
            on_progress=self._tell,
        )
        gain = f"IoU {adapted.before:.3f} to {adapted.after:.3f} on clips made from what is marked"
        if adapted.kept:
            logger.info("adapted in %d steps: %s", adapted.steps, gain)
        else:
            logger.info("adapting gained nothing in %d steps; the network stays as it was", adapted.steps)
        return adapted

    def _frame(self, index: int) -> Frame:
        with read_video(self._info.path, index, index + 1) as reader:
            return next(iter(reader)).image

    def _way(self, first: int) -> list[Frame]:
        """Frames from the first mask on, evenly spread over what follows."""
        ends = [end for end in (self._info.frame_count, self._frames.end) if end is not None]
        span = min(WAY_SPAN, min(ends, default=first + WAY_SPAN) - first)
        every = max(1, span // WAY_FRAMES)
        with read_video(self._info.path, first, first + span, every) as reader:
            return [frame.image for frame in reader]

    def _tell(self, stage: Stage) -> None:
        self._job.stay()
        self._job.tell(Phase.ADAPT, stage.step, stage.steps, stage.rate)
