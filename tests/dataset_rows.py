"""Rows of a data set for tests, and files of them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

TRUTHS = {
    "math-hard": "4",
    "medium": "Once upon a time.",
    "ambig_qa": "multipleQAs###There are",
    "wildguard": "harmful",
}


def row(
    text: str, task: str = "math-hard", truth: str | None = None, **info: Any
) -> dict[str, Any]:
    """A row in the published shape, with an instruction in its prompt that is not the question."""
    return {
        "prompt": [{"role": "user", "content": f"Long instruction. Question: {text}"}],
        "data_source": task,
        "reward_model": {"ground_truth": truth or TRUTHS[task], "style": "rule"},
        "extra_info": {
            "chat_history": [{"role": "user", "content": text}],
            "single_turn_prompt": text,
            **info,
        },
    }


def write(path: Path, rows: list[Any]) -> Path:
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path
