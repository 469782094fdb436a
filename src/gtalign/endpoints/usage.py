"""Count requests, tokens and cost, those of unusable replies included."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gtalign.endpoints.settings import Prices
from gtalign.errors import DataError


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of requests and tokens. Usages add up.

    Args:
        calls: Replies that arrived.
        prompt_tokens: Tokens sent, of the calls that say.
        completion_tokens: Tokens received, of the calls that say.
        unmetered: Calls whose reply does not say how many tokens it took.
        unread: Calls whose reply was not what was asked for; their tokens count like any other's.
        failed: Requests without a reply (refused, timed out, interrupted); every attempt counts.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unmetered: int = 0
    unread: int = 0
    failed: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))

    @property
    def tokens(self) -> int:
        """Tokens sent and received, of the calls that say."""
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: Prices | None) -> float | None:
        """Return the cost in the currency of the prices.

        None where it is not known: there are no prices, or a call does not say what it took.
        """
        if prices is None or self.unmetered:
            return None
        tokens = self.prompt_tokens * prices.prompt + self.completion_tokens * prices.completion
        return tokens / 1e6

    def to_json(self) -> dict[str, int]:
        """Return the counts as an object that `from_json` reads back equal."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, source: Any) -> "Usage":
        """Build a usage from an object.

        Raises:
            DataError: It is no object of counts.
        """
        names = {f.name for f in fields(cls)}
        if (
            not isinstance(source, dict)
            or not source.keys() <= names
            or not all(type(value) is int and value >= 0 for value in source.values())
        ):
            raise DataError(f"a usage maps {', '.join(sorted(names))} to counts, not {source!r}")
        return cls(**source)


def in_words(account: Mapping[str, Any]) -> str:
    """Tell an account, as `Endpoint.account` returns it, in one line; zeros are left out.

    The calls include a trial, where one was made.
    """
    used, saved = Usage.from_json(account["used"]), Usage.from_json(account["saved"])
    parts = [_counted(used.calls, "call"), _counted(used.tokens, "token")]
    if account.get("cost"):
        parts.append(f"cost {account['cost']:.6g}")
    if used.unmetered:
        parts.append(f"{_counted(used.unmetered, 'call')} without a count of tokens")
    if used.unread:
        parts.append(_counted(used.unread, "unusable reply", "unusable replies"))
    if used.failed:
        parts.append(_counted(used.failed, "failed request"))
    if saved.calls:
        took = f"which saved {_counted(saved.tokens, 'token')}"
        parts.append(f"{_counted(saved.calls, 'reply', 'replies')} from the cache, {took}")
    return ", ".join(parts)


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
