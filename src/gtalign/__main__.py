"""``python -m gtalign`` is the command ``gtalign``."""

from gtalign.cli import main

if __name__ == "__main__":
    main()
