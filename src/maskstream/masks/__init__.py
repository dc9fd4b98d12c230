"""Label maps in and out: palette PNG, every common mask format, run-length codes, pictures of them."""

from maskstream._faces import lazy_face

_HOMES = {
    "ReadMask": ".read",
    "RleWriter": ".rle",
    "contact_sheet": ".draw",
    "mask_colours": ".draw",
    "overlay": ".draw",
    "present_ids": ".palette",
    "read_label_map": ".read",
    "read_object_masks": ".read",
    "write_label_map": ".palette",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
