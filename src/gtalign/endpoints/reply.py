"""One reply of an endpoint: read from a completion, and kept as text."""

import json
from dataclasses import dataclass
from typing import Any, Final

from gtalign.endpoints.usage import Usage
from gtalign.errors import DataError
from gtalign.tasks.content import Content, read_content

CUT_OFF: Final = "it was cut off at the limit of tokens"
"""The problem of a reply that is an answer, but an incomplete one."""

REFUSED: Final = "it was a refusal"
"""The problem of a reply that is a refusal; its text is the refusal."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of an endpoint.

    Args:
        text: The answer; empty where there is none.
        problem: Why the answer is not a whole one (cut off, refused); None if it can.
        usage: Tokens and requests that it took.
        reasoning: Reasoning that the server gives apart from the answer.
    """

    text: str
    problem: str | None
    usage: Usage
    reasoning: str = ""

    def to_text(self) -> str:
        """Return the reply as JSON text that `from_text` reads back equal."""
        record = {"text": self.text, "problem": self.problem, "usage": self.usage.to_json()}
        if self.reasoning:
            record["reasoning"] = self.reasoning
        return json.dumps(record)

    @classmethod
    def from_text(cls, source: str) -> "Reply":
        """Build a reply from JSON text.

        Raises:
            DataError: It is something else.
        """
        try:
            record: Any = json.loads(source)
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"not a reply: {error}") from None
        if (
            not isinstance(record, dict)
            or record.keys() - {"reasoning"} != {"text", "problem", "usage"}
            or not isinstance(record["text"], str)
            or not isinstance(record["problem"], str | None)
            or not isinstance(record.get("reasoning", ""), str)
        ):
            raise DataError("not a reply: it needs the keys 'text', 'problem' and 'usage'")
        usage = Usage.from_json(record["usage"])
        return cls(record["text"], record["problem"], usage, record.get("reasoning", ""))


def reply_of(completion: Any) -> Reply | None:
    """Return the reply in a completion, as it was parsed; None if it is no completion.

    Any field of it can be missing or of another type. It is text where the server does not call it
    JSON, which some do not.
    """
    if isinstance(completion, str):
        try:
            completion = json.loads(completion)
        except (ValueError, RecursionError):
            return None
    choices = _field(completion, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _field(choice, "message")
    if not isinstance(message, dict):
        return None
    try:
        content = read_content(message)
    except DataError:
        content = Content("", "", "")
    problem = None
    if _field(choice, "finish_reason") == "length":
        problem = CUT_OFF
    elif content.refusal and not content.text:
        problem = REFUSED
    elif not content.text and not isinstance(message.get("content"), str):
        problem = "it holds no text"
    counts = _field(completion, "usage")
    tokens = [_field(counts, name) for name in ("prompt_tokens", "completion_tokens")]
    if all(type(count) is int and count >= 0 for count in tokens):
        usage = Usage(calls=1, prompt_tokens=tokens[0] or 0, completion_tokens=tokens[1] or 0)
    else:
        usage = Usage(calls=1, unmetered=1)
    return Reply(content.said, problem, usage, content.reasoning)


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None
