"""``python -m gtalign`` is the command ``gtalign``."""

import sys

from gtalign.cli import main

if __name__ == "__main__":
    sys.exit(main())
