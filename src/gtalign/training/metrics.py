"""``metrics.jsonl``: one object a logged step."""

from pathlib import Path

from gtalign.files import read_lines


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the complete lines of a metrics file; none where it does not exist yet.

    Raises:
        DataError: As for `gtalign.files.read_lines`.
    """
    return [line for _, line in read_lines(path)] if path.exists() else []
