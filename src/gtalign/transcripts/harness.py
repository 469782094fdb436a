"""Samples that lm-evaluation-harness logs (``--log_samples``), read as transcripts.

A line is one document under one filter: ``doc_id``, ``doc``, ``target``, ``arguments``, ``resps``,
``filtered_resps``, and the value of each metric under its own name.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.transcripts.given import FILTER, given_scores, number

BY: Final = "lm-evaluation-harness"
_OTHERS: Final = (
    "doc_id",
    "doc",
    "target",
    "arguments",
    "resps",
    "filtered_resps",
    "filter",
    "metrics",
    "doc_hash",
    "prompt_hash",
    "target_hash",
)
_FILE: Final = re.compile(r"samples_(?P<task>.+?)(?:_\d{4}-\d\d-\d\dT.*)?-\d+")


def is_sample(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a sample."""
    return "doc_id" in record and ("resps" in record or "filtered_resps" in record)


def sample_fields(record: Mapping[str, Any], name: str, task: str) -> dict[str, Any]:
    """Return the fields of the transcript of a sample.

    The completion is the first response, as it was before the filter. Of a multiple choice it is
    the choice that the model finds likeliest.

    Args:
        record: The line's object.
        name: Name of the file and number of the line; the harness names the file by its task.
        task: The task, if the file's name tells none.

    Raises:
        DataError: A column is of the wrong type; the message names it.
    """
    identity = record["doc_id"]
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise DataError("column 'doc_id' has to be a whole number or text")
    asked = _arguments(record.get("arguments"))
    found = _FILE.fullmatch(name)
    kind = record.get("filter")
    names = record.get("metrics")
    if not isinstance(names, list):
        names = [key for key in record if key not in _OTHERS]
    scores = {
        f"{metric},{kind}" if isinstance(kind, str) and kind != "none" else str(metric): value
        for metric in names
        if (value := number(record.get(metric))) is not None
    }
    given = given_scores(scores, BY)
    if isinstance(kind, str):
        given["extra"][FILTER] = "" if kind == "none" else kind
    prompt = next((first for first, _ in asked), "")
    return {
        "id": str(identity),
        "task": found["task"] if found else task,
        "prompt": [{"role": "user", "content": prompt}] if prompt else [],
        "completion": _response(record, [second for _, second in asked]),
        "ground_truth": record.get("target"),
        "plain": True,
        **given,
    }


def _arguments(given: Any) -> list[tuple[str, str]]:
    """The first two arguments of each request as text: its prompt, and a choice if it has one."""
    requests = list(given.values()) if isinstance(given, Mapping) else given
    found = []
    for request in requests if isinstance(requests, list) else ():
        parts = list(request.values()) if isinstance(request, Mapping) else request
        if isinstance(parts, list) and parts and isinstance(parts[0], str):
            second = parts[1] if len(parts) > 1 and isinstance(parts[1], str) else ""
            found.append((parts[0], second))
    return found


def _response(record: Mapping[str, Any], choices: list[str]) -> str:
    given = record.get("resps", record.get("filtered_resps"))
    if not isinstance(given, list):
        raise DataError("column 'resps' has to be a list")
    firsts = [_first(one) for one in given]
    likely = [number(first) if not isinstance(first, str) else _log(first) for first in firsts]
    if len(firsts) > 1 and len(choices) == len(firsts) and None not in likely:
        best = max(range(len(firsts)), key=lambda place: likely[place] or 0.0)
        return choices[best].strip()
    return firsts[0] if firsts and isinstance(firsts[0], str) else ""


def _first(nested: Any) -> Any:
    while isinstance(nested, list) and nested:
        nested = nested[0]
    return nested


def _log(text: str) -> float | None:
    try:
        return number(float(text))
    except ValueError:
        return None
