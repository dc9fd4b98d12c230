"""One slot between two threads, in which the newest wins: a stream that is too fast never queues up."""

from __future__ import annotations

from threading import Condition
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item: a newer one takes its place, whether it was read or not.

    Attributes:
        dropped: how many items were never read.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._item: T | None = None
        self._closed = False
        self._changed = Condition()

    def put(self, item: T) -> None:
        """Put the newest item in; nothing happens once the mailbox is closed."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def get(self, timeout: float | None = None) -> T | None:
        """Take the item out, waiting for it.

        Args:
            timeout: seconds to wait; None: until there is one or the mailbox is closed.

        Returns:
            None: it was closed, or nothing came in time.
        """
        end = None if timeout is None else monotonic() + timeout
        with self._changed:
            while self._item is None and not self._closed:
                left = None if end is None else end - monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Close: release who waits, and forget what lies there."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed
