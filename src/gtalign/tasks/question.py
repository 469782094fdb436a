"""A question: one item to answer, as a bare conversation with its ground truth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from gtalign.errors import DataError
from gtalign.tasks.content import CONTENTS, read_content
from gtalign.tasks.turns import body_of, role_of

_TEXTS = ("id", "task", "ground_truth", "cluster")


class Message(TypedDict):
    """One turn of a conversation.

    Keys:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: Its text; empty for a turn that only calls tools.
        tool_calls: The calls of tools in a turn of the assistant, as a chat has them.
        tool_call_id: The call whose result a turn of a tool is.
    """

    role: str
    content: str
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Question:
    """One item to answer.

    Args:
        id: Unique within its data set.
        task: Name of the task (``data_source`` of the data row); decides what quality means.
        messages: The conversation without any instruction for the chain; the last turn is the one
            to answer.
        ground_truth: The known facts about the right answer, in the task's own notation; JSON text
            where they are structured, empty if there are none.
        cluster: Source prompt. Questions that stem from one source share it, and intervals are
            clustered by it.
        extra: Further facts, JSON-serialisable, such as ``split``, ``user_action`` (``VQ`` or
            ``DQ``) and ``true_payoff``.
    """

    id: str
    task: str
    messages: tuple[Message, ...] = field(hash=False)
    ground_truth: str
    cluster: str
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def text(self) -> str:
        """Content of the last message: what is asked now."""
        return self.messages[-1]["content"]

    @property
    def referenced(self) -> bool:
        """Whether there is a ground truth."""
        return bool(self.ground_truth.strip())

    def to_json(self) -> dict[str, Any]:
        """Return the question as an object that `from_json` reads back equal."""
        return {
            "id": self.id,
            "task": self.task,
            "messages": [dict(message) for message in self.messages],
            "ground_truth": self.ground_truth,
            "cluster": self.cluster,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, source: str | Mapping[str, Any]) -> "Question":
        """Build a question from JSON text or from an object.

        Raises:
            DataError: Not an object, or a field is missing or of the wrong type; the message names
                the field.
        """
        if isinstance(source, str):
            try:
                source = json.loads(source)
            except ValueError as error:
                raise DataError(f"a question is a JSON object: {error}") from None
        if not isinstance(source, Mapping):
            raise DataError(f"a question is a JSON object, not {type(source).__name__}")
        for name in _TEXTS:
            if not isinstance(source.get(name), str):
                raise DataError(f"question: field {name!r} has to be text")
        extra = source.get("extra") or {}
        if not isinstance(extra, Mapping):
            raise DataError("question: field 'extra' has to be an object")
        return cls(
            **{name: source[name] for name in _TEXTS},
            messages=read_messages(source.get("messages"), "messages"),
            extra=extra,
        )


def read_messages(source: Any, name: str) -> tuple[Message, ...]:
    """Check a list of chat messages and keep each one's role and what it says.

    Args:
        source: What should be a non-empty list of ``{"role": text, "content": text}``; the content
            may have any of the forms that `gtalign.tasks.content` reads.
        name: Name of the field, for the error.

    Raises:
        DataError: It is something else; the message names the field.
    """
    if not isinstance(source, list | tuple) or not source:
        raise DataError(f"field {name!r} has to be a list of at least one message")
    return tuple(
        _message(message, f"field {name!r}: message {i}") for i, message in enumerate(source)
    )


def _message(source: Any, place: str) -> Message:
    role = role_of(source) if isinstance(source, Mapping) else None
    body = body_of(source) if role is not None else {}
    if role is None or not any(key in body for key in CONTENTS):
        raise DataError(f"{place} has to have text 'role' and 'content'")
    content = body.get("content")
    if isinstance(content, str):
        return Message(role=role, content=content)
    try:
        return Message(role=role, content=read_content(body).said)
    except DataError as error:
        raise DataError(f"{place} {error}") from None
