"""How jobs that can be interrupted begin again, and what they say of it."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from maskstream.cli._outputs import SNAPSHOT, Places
from maskstream.errors import InputError
from maskstream.streaming.snapshot import Stateful, read_snapshot

logger = logging.getLogger(__name__)

GO_ON = "the same command with --resume goes on"


def begin(outputs: Places, stateful: Stateful, identity: str, resume: bool) -> dict[str, Any] | None:
    """Take on the state of an interrupted run, or clear the place for a new one.

    Args:
        outputs: of the run, checked.
        stateful: what is put into the state that was saved.
        identity: a checksum of what results depend on; it stands in the note of the interrupted run.
        resume: whether the user wants to go on.

    Returns:
        The note that was saved with the state; None: the run is a new one.

    Raises:
        InputError: the interrupted run was another one, or its state is damaged.
    """
    part = outputs.part
    if resume and outputs.is_resumable:
        try:
            note = read_snapshot(part / SNAPSHOT, stateful)
        except InputError as error:
            raise InputError(f"{error}; give --overwrite instead of --resume to begin again") from error
        if note["identity"] != identity:
            raise InputError(
                f"{part}: the interrupted run had other options, masks, input or network; "
                "give the same, or --overwrite instead of --resume to begin again"
            )
        return note
    if resume:
        logger.warning("nothing to resume beside %s; starting at the beginning", outputs.all[0])
    if part.exists():
        shutil.rmtree(part)
    return None


def kept(error: OSError, outputs: Places) -> OSError:
    """The same error, which says that what was done is kept."""
    where = error.filename or outputs.all[0]
    return OSError(f"{where}: {error.strerror or str(error)}; what was done is kept: {GO_ON}")
