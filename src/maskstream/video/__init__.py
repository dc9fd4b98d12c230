"""Video files and folders of images in, video files out: times, rotation, colour and sound kept."""

from maskstream._faces import lazy_face

_HOMES = {
    "FrameReader": ".read",
    "ImageSequenceWriter": ".image_sequence",
    "VideoFrame": ".read",
    "VideoInfo": ".probe",
    "VideoWriter": ".write",
    "read_reversed": ".read",
    "read_video": ".read",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
