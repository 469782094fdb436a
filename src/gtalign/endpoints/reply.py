"""One reply of an endpoint, as it is cached."""

import json
from dataclasses import dataclass
from typing import Any, Final

from gtalign.endpoints.usage import Usage
from gtalign.errors import DataError

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
