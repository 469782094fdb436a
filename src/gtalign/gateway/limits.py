"""Limits of a key: requests at once, requests a minute, tokens a minute."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic
from typing import Final

from gtalign.gateway.errors import WAITS, APIError
from gtalign.gateway.keys import Key
from gtalign.gateway.settings import LimitSettings
from gtalign.gateway.text import to_json

MINUTE: Final = 60.0


class BudgetError(APIError):
    """The budget of a key is spent; it does not help to try again soon."""

    def __init__(self, message: str) -> None:
        super().__init__(429, message, code="insufficient_quota")

    def body(self) -> bytes:
        """As OpenAI's interface says so, with a type of its own."""
        error = {"message": self.message, "type": self.code, "param": None, "code": self.code}
        return to_json({"error": error})

    def headers(self) -> Mapping[str, str]:
        """Tells OpenAI's clients not to try again."""
        return {"x-should-retry": "false"}


class Bucket:
    """An allowance that refills steadily, up to what one minute brings.

    What is taken may exceed what is left, because the tokens of an answer are known only
    afterwards; nothing more is given before the debt is paid.

    Args:
        per_minute: Amount added in a minute.
        now: The time, in seconds.
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self.left = float(per_minute)
        self._at = now

    def wait(self, least: float, now: float) -> float:
        """Seconds until so much is there; 0 if it is."""
        self.left = min(
            float(self.per_minute), self.left + (now - self._at) * self.per_minute / MINUTE
        )
        self._at = now
        return max(0.0, (least - self.left) * MINUTE / self.per_minute)

    def take(self, amount: float) -> None:
        """Take from what is left."""
        self.left -= amount


@dataclass(slots=True)
class _Use:
    running: int = 0
    # Tokens of quotas by month: the clock may have been in another one for a while.
    used: dict[tuple[int, int], int] = field(default_factory=dict)
    spent: dict[tuple[int, int], float] = field(default_factory=dict)  # currency units
    requests: Bucket | None = None
    tokens: Bucket | None = None


@dataclass
class Limits:
    """Counts what keys take, and refuses what is too much.

    Args:
        settings: Limits of the gateway.
        clock: Seconds that only grow.
        today: The date (UTC): with its month, what was used of quotas begins anew.

    Attributes:
        running: Number of requests that are let in.
        draining: Whether no more are let in, because the gateway ends.
    """

    settings: LimitSettings
    clock: Callable[[], float] = monotonic
    today: Callable[[], date] = lambda: datetime.now(UTC).date()
    running: int = 0
    draining: bool = False
    _uses: dict[str, _Use] = field(default_factory=dict)

    @contextmanager
    def admitted(self, key: Key) -> Iterator[None]:
        """Let a request of a key in, until it is answered.

        Raises:
            APIError: It would be too much (429), or the gateway ends (503); says when to try again.
        """
        if self.draining:
            raise APIError(
                503, "the gateway is shutting down; try again", code="draining", wait=WAITS[503]
            )
        if self.running >= self.settings.total_concurrency:
            raise APIError(
                503, f"the gateway is busy with {self.running} requests", code="busy", wait=1.0
            )
        self._check_budget(key)
        use = self._use(key)
        most = key.limits.concurrency or self.settings.concurrency
        if use.running >= most:
            raise APIError(
                429,
                f"this key has {use.running} requests running, which is its limit",
                code="concurrency",
                wait=1.0,
            )
        now = self.clock()
        for bucket, least, name in ((use.requests, 1.0, "requests"), (use.tokens, 0.0, "tokens")):
            wait = 0.0 if bucket is None else bucket.wait(least, now)
            if bucket is not None and wait > 0:
                raise APIError(
                    429,
                    f"this key may take {bucket.per_minute} {name} a minute, and has",
                    code=f"{name}_per_minute",
                    wait=wait,
                )
        if use.requests is not None:
            use.requests.take(1.0)
        use.running += 1
        self.running += 1
        try:
            yield
        finally:
            use.running -= 1
            self.running -= 1

    def renew(self, settings: LimitSettings) -> None:
        """Put other limits in force."""
        if settings != self.settings:
            self.settings = settings
            for use in self._uses.values():
                use.requests = use.tokens = None

    def spend(self, key: Key, tokens: int, money: float = 0.0) -> None:
        """Count the tokens of an answer, and their price."""
        use, month = self._use(key), self._month()
        use.used[month] = use.used.get(month, 0) + tokens
        use.spent[month] = use.spent.get(month, 0.0) + money
        if use.tokens is not None:
            use.tokens.wait(0.0, self.clock())
            use.tokens.take(tokens)

    def used(self, key: Key) -> int:
        """Tokens of the key's quota that were used in this month."""
        return self._use(key).used.get(self._month(), 0)

    def budgets(self, key: Key) -> dict[str, float]:
        """The share of each of its budgets that a key has spent in this month."""
        budget, month = key.limits.budget, self._month()
        use = self._uses.get(key.id) or _Use()
        spent = {"tokens": use.used.get(month, 0), "money": use.spent.get(month, 0.0)}
        limits = {"tokens": budget.tokens, "money": budget.money}
        return {unit: spent[unit] / most for unit, most in limits.items() if most is not None}

    def warning(self, key: Key) -> dict[str, str]:
        """The header that warns of a budget that is nearly spent, or spent."""
        soft = key.limits.budget.soft
        near = {unit: share for unit, share in self.budgets(key).items() if share >= soft}
        told = ", ".join(f"{unit} {share:.2f}" for unit, share in near.items())
        return {"x-gtalign-budget": told} if told else {}

    def remember(self, key_id: str, tokens: int, money: float = 0.0) -> None:
        """Raise what was used in this month to what the store holds of it."""
        use, month = self._uses.setdefault(key_id, _Use()), self._month()
        use.used[month] = max(tokens, use.used.get(month, 0))
        use.spent[month] = max(money, use.spent.get(month, 0.0))

    def _check_budget(self, key: Key) -> None:
        if not key.limits.budget.hard:
            return
        over = [unit for unit, share in self.budgets(key).items() if share >= 1.0]
        if over:
            raise BudgetError(f"this key has spent its {' and '.join(over)} of this month (UTC)")

    def _use(self, key: Key) -> _Use:
        use = self._uses.setdefault(key.id, _Use())
        rate = key.limits.requests_per_minute or self.settings.requests_per_minute
        if rate is not None and use.requests is None:
            use.requests = Bucket(rate, self.clock())
        rate = key.limits.tokens_per_minute or self.settings.tokens_per_minute
        if rate is not None and use.tokens is None:
            use.tokens = Bucket(rate, self.clock())
        return use

    def _month(self) -> tuple[int, int]:
        today = self.today()
        return today.year, today.month
