"""``metrics.jsonl``: one object a logged step."""

import json
from pathlib import Path


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the complete lines of a metrics file; none where it does not exist yet."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
