"""How a server wants its requests: which names of parameters it takes, as its errors tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gtalign.endpoints.failures import UNKNOWN_PART

_STRANGE: Final = r"(?:unknown|unrecogni[sz]ed|unexpected|unsupported|deprecated|extra)\b"


def _refusal_of(name: str) -> str:
    """A pattern of errors that say that a server does not know a parameter, before or after it.

    FastAPI's list of errors names the place first: ``"max_tokens"], "msg": "Extra inputs ...``.
    """
    return (
        rf"{_STRANGE}[^.\n]{{0,50}}\b{name}\b"
        rf"|\b{name}\b\W{{1,12}}(?:msg\W{{1,6}})?(?:is |are )?"
        rf"(?:{_STRANGE}|not (?:permitted|allowed|supported|recogni[sz]ed|accepted))"
    )


_LIMIT: Final = re.compile(
    r"(?:unsupported|not supported|unrecognized|not allowed|deprecated|instead|use)\b.{0,200}"
    r"max_completion_tokens|max_completion_tokens.{0,100}\binstead|" + _refusal_of("max_tokens"),
    re.IGNORECASE | re.DOTALL,
)
_TEMPERATURE: Final = re.compile(
    r"temperature['\"`]?\s*(?:is|does|has|was)?\s*(?:not|n't|only|un|deprecated)"
    r"|(?:unsupported|unknown|unrecognized|deprecated)[^.\n]{0,40}['\"`]temperature|"
    + _refusal_of("temperature"),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of the requests to one server.

    Args:
        completion_tokens: Whether the limit of tokens is called ``max_completion_tokens``.
        temperature: Whether a temperature is sent.
    """

    completion_tokens: bool = False
    temperature: bool = True

    def written(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a request in this form."""
        found = dict(request)
        if self.completion_tokens and "max_tokens" in found:
            found["max_completion_tokens"] = found.pop("max_tokens")
        if not self.temperature:
            found.pop("temperature", None)
        return found

    def after(self, status: int, message: str) -> "Dialect":
        """Return the form to try next, after an error; the same one if the error asks for none."""
        if status not in UNKNOWN_PART:
            return self
        if not self.completion_tokens and _LIMIT.search(message):
            return replace(self, completion_tokens=True)
        if self.temperature and _TEMPERATURE.search(message):
            return replace(self, temperature=False)
        return self

    def told(self, before: "Dialect") -> str:
        """Say what differs from the form before."""
        if self.completion_tokens and not before.completion_tokens:
            return "takes max_completion_tokens in place of max_tokens; it is asked so from now on"
        return "takes no temperature; it is asked with its own from now on"
