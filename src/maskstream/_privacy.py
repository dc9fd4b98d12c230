"""Nothing leaves the machine, by way of a dependency either."""

from __future__ import annotations

import logging
import os
import sys

logger = logging.getLogger(__name__)

_SWITCH = "ORT_DISABLE_TELEMETRY"


def switch_telemetry_off() -> None:
    """Have ONNX Runtime report nothing; it reads the switch once, when it is first imported.

    From 1.32 on it otherwise looks up a server of Microsoft's and writes an id of the device under
    ``~/.cache`` whenever a network is loaded; its own ``disable_telemetry_events()`` doesn't stop that. A
    value that is set already stays, and child processes inherit it.
    """
    if _SWITCH in os.environ:
        return
    if "onnxruntime" in sys.modules:
        logger.warning(
            "onnxruntime was imported before maskstream, and may report to Microsoft; import maskstream "
            "first, or set %s=1",
            _SWITCH,
        )
    os.environ[_SWITCH] = "1"
