"""Completions that TRL's trainers log (``log_completions``), read as transcripts.

A row is one completion: ``step``, ``prompt``, ``completion``, a column for each reward function
under its name, and the ``advantage`` that training computed from these. Prompt and completion are
texts, or both are messages.
"""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.transcripts import chats
from gtalign.transcripts.given import given_scores, number

BY: Final = "TRL"
_COLUMNS: Final = ("step", "prompt", "completion", "advantage")


def is_completion(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a completion that TRL logged."""
    return "id" not in record and all(column in record for column in _COLUMNS)


def completion_fields(record: Mapping[str, Any], name: str, task: str) -> dict[str, Any]:
    """Return the fields of the transcript of a completion.

    Every other column of numbers is a score by its name; those of the reward functions come first.

    Args:
        record: The line's object.
        name: The id to give.
        task: The task to give.

    Raises:
        DataError: A column is of the wrong type; the message names it.
    """
    asked = _messages(record["prompt"], "prompt", "user")
    said = _messages(record["completion"], "completion", "assistant")
    # Null stays a score that is unknown: a reward function may leave out single answers.
    scores = {
        column: number(value)
        for column, value in record.items()
        if column not in _COLUMNS and isinstance(value, bool | int | float | None)
    }
    fields = chats.transcript_fields({"messages": [*asked, *said]}, name, task)
    return {**fields, **given_scores(scores, BY)}


def _messages(value: Any, column: str, role: str) -> list[Any]:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise DataError(f"column {column!r} has to be text, or a list of messages")
    return value
