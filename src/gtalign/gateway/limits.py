"""Limits of a key: requests at once, requests a minute, tokens a minute, and budgets of a month."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
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

Month = tuple[int, int]
"""A year and a month of it."""


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
        left: Amount that is left then; None for that of a minute.
    """

    def __init__(self, per_minute: int, now: float, left: float | None = None) -> None:
        self.per_minute = per_minute
        self.left = float(per_minute) if left is None else left
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
class LimitState:
    """What a key or a policy takes.

    Args:
        running: Requests in flight.
        spent: What was spent, by month: the clock may have been in another one for a while.
        requests: Requests that are left of this minute; None where they are not limited.
        tokens: Tokens that are left of it, likewise.
    """

    running: int = 0
    spent: dict[Month, Spent] = field(default_factory=dict)
    requests: Bucket | None = None
    tokens: Bucket | None = None

    def enter(self, key: Key, settings: LimitSettings, month: Month, now: float) -> None:
        """Let a request of a key in.

        Raises:
            APIError: It would be too much (429); says when to try again.
        """
        _check(key.limits.budget, self.spent.get(month, Spent()), "this key")
        if self.running >= (key.limits.concurrency or settings.concurrency):
            raise APIError(
                429,
                f"this key has {self.running} requests running, which is its limit",
                code="concurrency",
                wait=1.0,
            )
        for bucket, least, name in (
            (self.requests, 1.0, "requests"),
            (self.tokens, 0.0, "tokens"),
        ):
            wait = 0.0 if bucket is None else bucket.wait(least, now)
            if bucket is not None and wait > 0:
                raise APIError(
                    429,
                    f"this key may take {bucket.per_minute} {name} a minute, and has",
                    code=f"{name}_per_minute",
                    wait=wait,
                )
        if self.requests is not None:
            self.requests.take(1.0)
        self.running += 1

    def spend(self, spent: Spent, month: Month, now: float) -> None:
        """Count what an answer took."""
        self.spent[month] = self.spent.get(month, Spent()) + spent
        if self.tokens is not None:
            self.tokens.wait(0.0, now)
            self.tokens.take(spent.tokens)


class Place:
    """The place of a request that was let in, which it gives back once.

    Args:
        leave: Gives it back.
    """

    def __init__(self, leave: Callable[[], Awaitable[None]]) -> None:
        self._leave: Callable[[], Awaitable[None]] | None = leave

    async def leave(self) -> None:
        """Give it back; what the answer took is counted by then, wherever limits are shared."""
        if self._leave is not None:
            leave, self._leave = self._leave, None
            await leave()


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
        leads: Whether this process is the one that counts again from the records.
    """

    settings: LimitSettings
    clock: Callable[[], float] = monotonic
    today: Callable[[], date] = lambda: datetime.now(UTC).date()
    running: int = 0
    draining: bool = False
    leads: bool = True
    _uses: dict[str, LimitState] = field(default_factory=dict)
    _policies: dict[str, LimitState] = field(default_factory=dict)  # by name

    @asynccontextmanager
    async def admitted(self, key: Key) -> AsyncGenerator[Place, None]:
        """Let a request of a key in, until it is answered; yields its place.

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
        self.running += 1
        try:
            place = await self._enter(key)
            try:
                yield place
            finally:
                await place.leave()
        finally:
            self.running -= 1

    async def _enter(self, key: Key) -> Place:
        use = self._use(key)
        use.enter(key, self.settings, self._month(), self.clock())

        async def leave() -> None:
            use.running -= 1

        return Place(leave)

    def renew(self, settings: LimitSettings) -> None:
        """Put other limits in force."""
        if settings != self.settings:
            self.settings = settings
            for use in self._uses.values():
                use.requests = use.tokens = None

    def spend(self, key: Key, spent: Spent, policy: str = "") -> None:
        """Count what an answer took, for its key and for its policy."""
        month, now = self._month(), self.clock()
        for one in (self._use(key), self._policies.setdefault(policy, LimitState())):
            one.spend(spent, month, now)

    async def look(self) -> None:
        """See what other processes have spent, where limits are shared."""

    def used(self, key: Key) -> int:
        """Tokens of the key's quota that were used in this month."""
        return self.spent(key).tokens

    def spent(self, key: Key) -> Spent:
        """What a key has spent in this month."""
        return self._uses.get(key.id, LimitState()).spent.get(self._month(), Spent())

    def spent_under(self, policy: str) -> Spent:
        """What all answers under a policy have spent in this month."""
        return self._policies.get(policy, LimitState()).spent.get(self._month(), Spent())

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
        self._raise(self._uses.setdefault(key_id, LimitState()), spent)

    def remember_policy(self, name: str, spent: Spent) -> None:
        """Raise what was spent under a policy in this month to what the store holds of it."""
        self._raise(self._policies.setdefault(name, LimitState()), spent)

    def _raise(self, use: LimitState, spent: Spent) -> None:
        month = self._month()
        use.spent[month] = spent.most(use.spent.get(month, Spent()))

    def _use(self, key: Key) -> LimitState:
        use = self._uses.setdefault(key.id, LimitState())
        rate = request_rate(key, self.settings)
        if rate is not None and use.requests is None:
            use.requests = Bucket(rate, self.clock())
        rate = token_rate(key, self.settings)
        if rate is not None and use.tokens is None:
            use.tokens = Bucket(rate, self.clock())
        return use

    def _month(self) -> Month:
        today = self.today()
        return today.year, today.month


def request_rate(key: Key, settings: LimitSettings) -> int | None:
    """Requests that a key may take in a minute; None for any number."""
    return key.limits.requests_per_minute or settings.requests_per_minute


def token_rate(key: Key, settings: LimitSettings) -> int | None:
    """Tokens that a key may take in a minute; None for any number."""
    return key.limits.tokens_per_minute or settings.tokens_per_minute


def _check(budget: Budget, spent: Spent, whose: str) -> None:
    """Raise BudgetError if a hard budget is spent."""
    over = [unit for unit, share in spent.shares(budget).items() if share >= 1.0]
    if over and budget.hard:
        about = ", as estimated" if spent.estimated else ""
        raise BudgetError(f"{whose} has spent its {' and '.join(over)} of this month (UTC){about}")
