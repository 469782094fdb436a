"""The result of a command, for people or for programs; stdout holds nothing else."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gtalign.files import to_json


def print_json(value: Any) -> None:
    """Print a value as one line of JSON, in UTF-8 on any terminal.

    Null stands for a number that is not finite.
    """
    line = to_json(value, portable=True)
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:  # a stream of text, as in a notebook
        print(line.decode(), end="")
        return
    sys.stdout.flush()  # what was printed before comes first
    raw.write(line)
    raw.flush()


def print_result(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what a command found: as one JSON object, or as lines for people."""
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if isinstance(value, Mapping):
            print(f"{name}:")
            for key, item in value.items():
                print(f"    {key}: {_short(item)}")
        else:
            print(f"{name}: {_short(value)}")


@contextlib.contextmanager
def results_only() -> Iterator[None]:
    """Send to stderr what libraries print, as trainers print their logs."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if value is None:
        return "unknown"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
