"""Logs of chats in OpenAI's form, read as transcripts.

A line is an object with ``messages``, the last one from the assistant. ``id``, ``task`` (or
``data_source``), ``ground_truth``, ``model`` and ``cluster`` are optional.
"""

from collections.abc import Mapping
from typing import Any

from gtalign.chain.blocks import TAG
from gtalign.errors import DataError
from gtalign.transcripts.prompts import by_prompt

TASK = "direct"
"""The default task of a log: its judge gives the quality, in [0, 1]."""


def is_chat(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line is a chat, not a transcript of ours."""
    return "messages" in record and "completion" not in record


def transcript_fields(record: Mapping[str, Any], name: str, task: str = TASK) -> dict[str, Any]:
    """Return the fields of the transcript of a chat.

    The last message is the completion, those before it are the prompt. A completion without any
    tag of a chain is a plain answer: no chain was requested.

    Args:
        record: The line's object.
        name: The id to give if it has none.
        task: The task, if it names none.

    Raises:
        DataError: A field is missing or of the wrong type; the message names it.
    """
    messages = record["messages"]
    if not isinstance(messages, list) or len(messages) < 2:
        raise DataError("column 'messages' has to be a list: a question, and the answer to it")
    turns = [_turn(message, index) for index, message in enumerate(messages)]
    answer = turns.pop()
    if answer["role"] != "assistant":
        raise DataError(
            f"column 'messages': the last one has to be the assistant's, not {answer['role']!r}"
        )
    identity = record.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | None):
        raise DataError("column 'id' has to be text or a whole number")
    name = name if identity is None else str(identity)
    named = record.get("task")
    return {
        "id": name,
        "task": record.get("data_source", task) if named is None else named,
        "cluster": record.get("cluster", by_prompt(turns) if identity is None else name),
        "prompt": turns,
        "completion": answer["content"],
        "ground_truth": record.get("ground_truth"),
        "model": record.get("model"),
        "plain": TAG.search(answer["content"]) is None,
    }


def _turn(message: Any, index: int) -> dict[str, str]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise DataError(f"column 'messages': message {index} has to have a text 'role'")
    return {"role": message["role"], "content": _text(message.get("content"), index)}


def _text(content: Any, index: int) -> str:
    """Return the text of a message: the joined texts of its parts; empty for a mere tool call."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        if all(isinstance(text, str) for text in texts):
            return "\n".join(texts)
    raise DataError(
        f"column 'messages': message {index} has to have text 'content' or a list of parts"
    )
