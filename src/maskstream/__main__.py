"""``python -m maskstream``: the command line."""

import sys

from maskstream.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
