"""Files replaced in one step: after a crash there is the old one or the new one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gtalign.files.json_text import to_json


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path beside a file, whose place it takes at the end.

    After an error, or a crash, the file is what it was. What an earlier crash left beside it is
    removed first.

    Args:
        path: The file.
        durable: Whether to wait until the content is on the disk, so that a power cut leaves the
            old content or the new one.
    """
    beside = path.with_name(path.name + ".part")
    beside.unlink(missing_ok=True)
    try:
        yield beside
        if durable:
            with beside.open("rb") as file:
                os.fsync(file.fileno())  # or a power cut could leave the name without the content
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as one readable JSON file, whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(to_json(value, "readable"))
