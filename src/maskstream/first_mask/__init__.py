"""The first mask of a video: found without a prompt, or made from a hint."""

from maskstream._faces import lazy_face

_HOMES = {
    "CleanPlate": ".clean_plate",
    "Subject": ".subject",
    "SubjectFinder": ".subject",
    "SubjectRules": ".subject",
    "find_subject": ".subject",
    "forget": ".remembered",
    "from_box": ".box",
    "recall": ".remembered",
    "remember": ".remembered",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
