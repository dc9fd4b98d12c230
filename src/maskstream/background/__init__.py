"""What goes behind the object: a picture, a video, a blur, a colour; and the compositor."""

from maskstream._faces import lazy_face

_HOMES = {
    "Background": ".sources",
    "BackgroundOptions": ".options",
    "CompositeConfig": ".compositor",
    "Compositor": ".compositor",
    "open_background": ".sources",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
