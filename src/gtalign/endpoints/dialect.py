"""How a server wants its requests: which names of parameters it takes, as its errors tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

TOO_MANY: Final = 429
"""The status of a server that gets too many requests."""

_WORDS: Final = "unknown|unrecogni[sz]ed|unexpected|unsupported|deprecated|extra"
_STRANGE: Final = rf"(?:{_WORDS})\b"


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
_FORM: Final = r"(?:response_format|json_schema|json schema|structured.?outputs?)"
_NO_FORM: Final = re.compile(
    rf"(?:{_WORDS}|invalid|(?:not|n't) (?:support|accept|allow|recogni[sz]e|implement)\w*"
    rf"|NotImplemented\w*)\b[^.\n]{{0,80}}\b{_FORM}\b"
    rf"|\bcannot (?:unmarshal|parse|decode|deserialize|use)\b[^\n]{{0,80}}\b{_FORM}\b"
    rf"|\b{_FORM}\b[^\n]{{0,80}}?(?:\b(?:{_WORDS}|invalid|unavailable|disabled|(?:should|must) be)"
    r"|(?:\bnot|n't|\bcannot) (?:yet |currently |be )?(?:support|permit|allow|recogni[sz]|accept"
    r"|implement|available|enabled|used)\w*)",
    re.IGNORECASE,
)


def refuses_form(message: str) -> bool:
    """Whether an error says that a server does not hold replies to a JSON Schema.

    Servers say so with any status: that of llama-cpp-python fails with 500.
    """
    return _NO_FORM.search(message) is not None


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
        if status == TOO_MANY:  # it speaks of tokens too, and of their limit
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
