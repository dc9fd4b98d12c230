"""Replace the background of any video or webcam, or follow any object through it, as the frames arrive."""

from __future__ import annotations

from maskstream._faces import lazy_face
from maskstream._privacy import switch_telemetry_off

switch_telemetry_off()

# Imported when first used, so that `import maskstream` and the command line start at once.
# `__init__.pyi` says the same to type checkers.
_HOMES = {
    "AblationPlan": ".ablation.plan",
    "Background": ".background.sources",
    "BackgroundOptions": ".background.options",
    "BackgroundReplacer": ".replacement.replacer",
    "BoxMark": ".jobs.marks",
    "CleanPlate": ".first_mask.clean_plate",
    "CompositeConfig": ".background.compositor",
    "Compositor": ".background.compositor",
    "DataFolders": ".datasets.sources",
    "DetectedSubject": ".jobs.marks",
    "EnsembleSegmenter": ".streaming.ensemble",
    "Evaluation": ".jobs.evaluate",
    "EvaluationOptions": ".jobs.evaluate",
    "Exported": ".runtime.export",
    "FrameRange": ".jobs.frames",
    "FrameReader": ".video.read",
    "ImageSequenceWriter": ".video.image_sequence",
    "InputError": ".errors",
    "JobCancelled": ".jobs.job",
    "JobResult": ".jobs.job",
    "KeptObjects": ".replacement.replacer",
    "KeyConfig": ".matte.config",
    "LiveOptions": ".live.session",
    "LiveSession": ".live.session",
    "MaskMark": ".jobs.marks",
    "Matte": ".matte.matting",
    "MatteConfig": ".matte.config",
    "Matting": ".matte.matting",
    "Member": ".streaming.ensemble",
    "MemoryPolicy": ".streaming.memory",
    "NetworkConfig": ".network.config",
    "Notes": ".runtime.cards",
    "Phase": ".jobs.progress",
    "Progress": ".jobs.progress",
    "ReplaceJob": ".jobs.replace",
    "ReplaceOptions": ".jobs.replace",
    "Replaced": ".replacement.replacer",
    "RleWriter": ".masks.rle",
    "Runtime": ".runtime.protocol",
    "ScoreResult": ".jobs.score",
    "SegmentJob": ".jobs.segment",
    "SegmentOptions": ".jobs.segment",
    "Segmentation": ".streaming.segmentation",
    "Segmenter": ".streaming.segmentation",
    "SegmenterOptions": ".streaming.options",
    "Subject": ".first_mask.subject",
    "SubjectFinder": ".first_mask.subject",
    "Timing": ".streaming.segmentation",
    "TrainResult": ".judging.train",
    "VideoFrame": ".video.read",
    "VideoInfo": ".video.probe",
    "VideoSegmenter": ".streaming.segmenter",
    "VideoWriter": ".video.write",
    "ablate": ".ablation.ablate",
    "contact_sheet": ".masks.draw",
    "detect_subject": ".jobs.marks",
    "evaluate": ".jobs.evaluate",
    "export": ".runtime.export",
    "find_subject": ".first_mask.subject",
    "forget": ".first_mask.remembered",
    "from_box": ".first_mask.box",
    "load_model": ".runtime.load",
    "marks_of": ".jobs.marks",
    "open_background": ".background.sources",
    "overlay": ".masks.draw",
    "probe": ".video.probe",
    "read_label_map": ".masks.read",
    "read_object_masks": ".masks.read",
    "read_video": ".video.read",
    "recall": ".first_mask.remembered",
    "remember": ".first_mask.remembered",
    "replace_background": ".jobs.replace",
    "score": ".jobs.score",
    "segment_video": ".jobs.segment",
    "shipped_models": ".runtime.load",
    "train": ".judging.train",
    "write_label_map": ".masks.palette",
}

__all__ = sorted(_HOMES)

_from_home, __dir__ = lazy_face(__name__, _HOMES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("maskstream")
    return _from_home(name)
