"""From a network's probabilities, or a screen's colour, to a soft alpha and the object's own colour."""

from maskstream._faces import lazy_face

_HOMES = {
    "KeyConfig": ".config",
    "Matte": ".matting",
    "MatteConfig": ".config",
    "Matting": ".matting",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
