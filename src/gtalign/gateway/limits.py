"""Limits of a key: requests at once, requests a minute, tokens a minute, and budgets of a month."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import monotonic
from typing import Final

from gtalign.gateway.errors import WAITS, APIError
from gtalign.gateway.keys import Key
from gtalign.gateway.settings import LimitSettings
from gtalign.gateway.spent import Spent
from gtalign.gateway.text import to_json
from gtalign.steering import Budget, Policy

MINUTE: Final = 60.0


class BudgetError(APIError):
    """The budget of a key or a policy is spent; it does not help to try again soon."""

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
    # By month: the clock may have been in another one for a while.
    spent: dict[tuple[int, int], Spent] = field(default_factory=dict)
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
    _policies: dict[str, _Use] = field(default_factory=dict)  # by name

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
        _check(key.limits.budget, self.spent(key), "this key")
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

    def spend(self, key: Key, spent: Spent, policy: str = "") -> None:
        """Count what an answer took, for its key and for its policy."""
        use, month = self._use(key), self._month()
        for one in (use, self._policies.setdefault(policy, _Use())):
            one.spent[month] = one.spent.get(month, Spent()) + spent
        if use.tokens is not None:
            use.tokens.wait(0.0, self.clock())
            use.tokens.take(spent.tokens)

    def used(self, key: Key) -> int:
        """Tokens of the key's quota that were used in this month."""
        return self.spent(key).tokens

    def spent(self, key: Key) -> Spent:
        """What a key has spent in this month."""
        return self._uses.get(key.id, _Use()).spent.get(self._month(), Spent())

    def spent_under(self, policy: str) -> Spent:
        """What all answers under a policy have spent in this month."""
        return self._policies.get(policy, _Use()).spent.get(self._month(), Spent())

    def check_policy(self, policy: Policy) -> None:
        """Check that a policy's budget is not spent.

        Raises:
            BudgetError: It is.
        """
        if policy.budget is not None:
            _check(policy.budget, self.spent_under(policy.name), f"the policy {policy.name!r}")

    def warnings(self, key: Key, policy: Policy) -> dict[str, str]:
        """The headers that warn of budgets that are nearly spent, or spent."""
        told = {
            "x-gtalign-budget": self.spent(key).warning(key.limits.budget),
            "x-gtalign-policy-budget": self.spent_under(policy.name).warning(policy.budget),
        }
        return {name: text for name, text in told.items() if text}

    def remember(self, key_id: str, spent: Spent) -> None:
        """Raise what a key has spent in this month to what the store holds of it."""
        self._raise(self._uses.setdefault(key_id, _Use()), spent)

    def remember_policy(self, name: str, spent: Spent) -> None:
        """Raise what was spent under a policy in this month to what the store holds of it."""
        self._raise(self._policies.setdefault(name, _Use()), spent)

    def _raise(self, use: _Use, spent: Spent) -> None:
        month = self._month()
        use.spent[month] = spent.most(use.spent.get(month, Spent()))

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


def _check(budget: Budget, spent: Spent, whose: str) -> None:
    """Raise BudgetError if a hard budget is spent."""
    over = [unit for unit, share in spent.shares(budget).items() if share >= 1.0]
    if over and budget.hard:
        about = ", as estimated" if spent.estimated else ""
        raise BudgetError(f"{whose} has spent its {' and '.join(over)} of this month (UTC){about}")
