"""The log of one request: its client, its terms and its outcome."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from starlette.types import Scope

from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.http.reply import HTTPReply
from gtalign.gateway.keys import Key

SCOPE = "gtalign"
"""Where the scope of a request holds its log."""


@dataclass(slots=True)
class RequestLog:
    """The facts of one request: the layers fill them in, and its end reads them.

    What happens to its answers is in an `AnswerLog` each.

    Args:
        id: The request's id.
        began: When it came, by `perf_counter`.
        path: The pattern of its address, which requests are counted under.
        key: Who asks; None before that is known.
        terms: Terms of its answer; None for requests of other kinds.
        asked: The messages or the prompt, where prompts are logged.
        reply: The answer on its way; it can report an error.
        status: The HTTP status; 0 before the head of the answer is out.
        problem: Why it failed, in words for the log.
    """

    id: str
    began: float = field(default_factory=perf_counter)
    path: str = "other"
    key: Key | None = None
    terms: Terms | None = None
    asked: Any = None
    reply: HTTPReply | None = None
    status: int = 0
    problem: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> "RequestLog":
        """The log of a request."""
        found: RequestLog = scope[SCOPE]
        return found

    def fields(self, client: str | None) -> dict[str, Any]:
        """The fields of its line in the access log; what is not known has none.

        Args:
            client: Address that the request came from.
        """
        line: dict[str, Any] = {
            "request": self.id,
            "client": client,
            "status": self.status,
            "ms": round((perf_counter() - self.began) * 1000, 3),
            "problem": self.problem,
        }
        if self.key is not None:
            line["key"] = self.key.id
        if self.terms is not None:
            line["policy"] = self.terms.policy.name
            line["model"] = self.terms.model
            line["decision"] = self.terms.id
        if self.asked is not None:
            line["messages"] = self.asked
        return line
