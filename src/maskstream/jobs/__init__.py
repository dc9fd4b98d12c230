"""Work on whole files, from options to outputs: segment a video, replace a background."""

from maskstream._faces import lazy_face

_HOMES = {
    "BoxMark": ".marks",
    "DetectedSubject": ".marks",
    "FrameRange": ".frames",
    "Job": ".job",
    "JobCancelled": ".job",
    "JobResult": ".job",
    "MaskMark": ".marks",
    "Phase": ".progress",
    "Progress": ".progress",
    "ReplaceJob": ".replace",
    "ReplaceOptions": ".replace",
    "SegmentJob": ".segment",
    "SegmentOptions": ".segment",
    "detect_subject": ".marks",
    "marks_of": ".marks",
    "replace_background": ".replace",
    "segment_video": ".segment",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
