"""Report errors that come with every frame only once."""

from __future__ import annotations

import logging

from maskstream.errors import one_line


class Complaints:
    """Logs an error in one line, and again only when another one comes.

    Args:
        logger: gets the line as an error, and where it comes from at debug level.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: tuple[str, str] | None = None

    def tell(self, what: str, error: Exception) -> None:
        """Say what became of it and why, unless that was the last thing said."""
        said = what, f"{type(error).__name__}: {one_line(error)}"
        if said != self._last:
            self._last = said
            self._logger.error("%s (%s)", *said)
            self._logger.debug("%s", what, exc_info=error)
