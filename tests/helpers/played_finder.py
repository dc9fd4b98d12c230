"""The network that finds subjects, played: what it finds is told beforehand."""

from maskstream.first_mask import subject


def play_finder(monkeypatch, found):
    """Let the finder give these label maps (or None) one after another.

    Returns:
        The frames that it was asked about.
    """
    asked, left = [], list(found)

    class Finder:
        def __init__(self, **options):
            pass

        def __call__(self, frame, **options):
            asked.append(frame)
            mask = left.pop(0)
            return None if mask is None else subject.Subject(mask, (mask > 0).astype("float32"), 1.0)

    monkeypatch.setattr(subject, "SubjectFinder", Finder)
    return asked
