"""Logs of chats in OpenAI's form, read as transcripts.

A line is an object with ``messages`` (or ``conversations``, ``conversation``), the last one from
the assistant. ``id``, ``task`` (or ``data_source``), ``ground_truth``, ``model`` and ``cluster``
are optional. Messages may have any of the forms that `gtalign.tasks.turns` and
`gtalign.tasks.content` read.
"""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.chain import with_reasoning
from gtalign.chain.answered import written_calls
from gtalign.chain.blocks import TAG
from gtalign.chain.reasoning import shown
from gtalign.errors import DataError
from gtalign.tasks import NO_TASK
from gtalign.tasks.content import Content, read_content
from gtalign.tasks.turns import body_of, gathered, role_of
from gtalign.transcripts.prompts import by_prompt

TASK = NO_TASK
"""The default task of a log: a judge grades how helpful the answer is, as a quality in [0, 1]."""

_LISTS: Final = ("messages", "conversations", "conversation")
"""The columns that hold the messages; the first one that is there counts."""


def is_chat(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a chat, not a transcript of ours."""
    return any(name in record for name in _LISTS) and "completion" not in record


def transcript_fields(record: Mapping[str, Any], name: str, task: str = TASK) -> dict[str, Any]:
    """Return the fields of the transcript of a chat.

    The last message is the completion, those before it are the prompt. Reasoning that the log keeps
    apart from the answer stands in front of it, in ``<think>`` tags; where there is no answer but a
    refusal, that is the answer; where it only calls tools, the calls stand in its place. A
    completion without any tag of a chain is a plain answer: no chain was requested.

    Args:
        record: The line's object.
        name: The id to give if it has none.
        task: The task, if it names none.

    Raises:
        DataError: A field is missing or of the wrong type; the message names it.
    """
    column = next(name for name in _LISTS if name in record)
    messages = record[column]
    messages = gathered(messages) if isinstance(messages, list) else ()
    if len(messages) < 2:
        raise DataError(f"column {column!r} has to be a list: a question, and the answer to it")
    turns = [
        _turn(message, f"column {column!r}: message {i}") for i, message in enumerate(messages)
    ]
    role, answer = turns.pop()
    if role != "assistant":
        raise DataError(f"column {column!r}: the last one has to be the assistant's, not {role!r}")
    completion = completion_of(answer)
    prompt = [{"role": role, "content": said.said} for role, said in turns]
    identity = record.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | None):
        raise DataError("column 'id' has to be text or a whole number")
    name = name if identity is None else str(identity)
    named = record.get("task")
    return {
        "id": name,
        "task": record.get("data_source", task) if named is None else named,
        "cluster": record.get("cluster", by_prompt(prompt) if identity is None else name),
        "prompt": prompt,
        "completion": completion,
        "ground_truth": record.get("ground_truth"),
        "model": record.get("model"),
        "plain": is_plain(completion),
    }


def completion_of(answer: Content) -> str:
    """Return the words of an answer as a model writes them: its reasoning, then what it says.

    An answer that says nothing and calls tools is its calls, each between ``<tool_call>`` tags.
    """
    said = answer.said
    if not said.strip() and answer.calls:
        said = written_calls(answer.calls)
    return with_reasoning(answer.reasoning, said)


def _turn(message: Any, place: str) -> tuple[str, Content]:
    """Return who says what in a message."""
    role = role_of(message) if isinstance(message, Mapping) else None
    if role is None:
        raise DataError(f"{place} has to have a text 'role'")
    try:
        return role, read_content(body_of(message))
    except DataError as error:
        raise DataError(f"{place} {error}") from None


def is_plain(completion: str) -> bool:
    """Whether a completion shows no tag of a chain but ``<thinking>`` around its reasoning."""
    spans = shown(completion)
    return TAG.search(completion, spans[0][0] if spans else 0) is None
