"""``python -m maskstream``: the command line."""

import _signal  # type: ignore[import-not-found]  # the half of signal that is there at once
import sys

# Until a command runs, which can say what it leaves, Ctrl-C just ends the program, without a traceback.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from maskstream.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
