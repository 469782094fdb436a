"""What answers take of budgets: counted where that is possible, and estimated where it is not.

A budget must not be passed unseen, so what nobody counted is never free. It is estimated, rather
too high than too low, and a budget shows that there are estimates in it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gtalign.errors import StorageError
from gtalign.gateway.limits import Limits
from gtalign.gateway.policies import Policies
from gtalign.gateway.spent import Spent
from gtalign.gateway.store.database import transaction, unbroken
from gtalign.gateway.store.processes import mark_lost
from gtalign.gateway.store.reader import Open, Reader
from gtalign.gateway.store.record import now
from gtalign.steering import Policy
from gtalign.steering.expected import UNKNOWN
from gtalign.steering.units import Amounts, money_of

log = logging.getLogger(__name__)

BYTES: Final = 3
"""Bytes of text that are estimated as one token: fewer than nearly all tokenizers have."""

UNTOLD: Final = int(UNKNOWN.output)
"""Tokens that are estimated where there is no text either."""

_HOLDING: Final = ("output", "input", "text", "content")  # keys of messages and their parts
_SPARE: Final = 60.0  # seconds that the record of an answer may take after its end
_PAUSE: Final = 60.0  # seconds between two looks at what other gateways have spent


@dataclass(frozen=True, slots=True)
class AnswerUsage:
    """What one answer took; None where nobody counted.

    Args:
        read: Tokens that the model read.
        written: Tokens that it wrote.
        asked: Text that it read; None if that is no text.
        told: Text that it wrote; None if that is unknown.
        events: Events of a stream, each of which is a token or more.
        answer: Whether an answer was given, which a price may count.
    """

    read: int | None = None
    written: int | None = None
    asked: str | None = None
    told: str | None = None
    events: int = 0
    answer: bool = False

    def spent(self, policy: Policy) -> Spent:
        """What it takes of budgets under a policy.

        Tokens without a count are estimated by their text, and characters without a text by their
        tokens.
        """
        read = _tokens(self.read, self.asked)
        written = _tokens(self.written, self.told, self.events)
        ratio = policy.characters_per_token
        amounts = Amounts(
            input=read,
            output=written,
            input_characters=_characters(self.asked, read, ratio),
            output_characters=_characters(self.told, written, ratio),
            answer=float(self.answer),
        )
        by_text = policy.price.input_characters and self.asked is None and read
        by_text = by_text or (policy.price.output_characters and self.told is None and written)
        estimated = bool(self.read is None or self.written is None or by_text)
        return Spent(read + written, money_of(policy.price, amounts), int(estimated))


def cost(policy: Policy, read: int, written: int) -> float:
    """The price of tokens under a policy, in currency units, whether the user or the provider pays.

    Args:
        policy: The policy; its quota is left out.
        read: Tokens that the model read.
        written: Tokens that it wrote.
    """
    return AnswerUsage(read, written).spent(policy).money


def text_of(asked: Any) -> str | None:
    """The text in messages or in a prompt; None if there is none, as in a recording."""
    found = "".join(_texts(asked))
    return found or None


async def recount(
    limits: Limits, reader: Reader, policies: Policies, *, total: float = 600.0
) -> None:
    """Count what the store holds of this month; what is counted here already stays.

    Args:
        limits: Counts what is spent.
        reader: Reader of the store.
        policies: The policies, of which the store has every version.
        total: Seconds after which an answer that is still being written was broken off.

    Raises:
        StorageError: It cannot be read.
    """
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since = int(month.timestamp() * 1_000_000)
    by_key: dict[str, Spent] = {}
    by_policy: dict[str, Spent] = {}
    found = await reader.spent(since)
    for open_ in await reader.open(since, before=now() - int(total * 1_000_000)):
        found.append((open_.key_id, open_.policy, await _estimate(open_, policies)))
    for key, name, spent in found:
        by_key[key] = by_key.get(key, Spent()) + spent
        by_policy[name] = by_policy.get(name, Spent()) + spent
    for key, spent in by_key.items():
        limits.remember(key, spent)
    for name, spent in by_policy.items():
        limits.remember_policy(name, spent)


async def keep_counting(
    limits: Limits,
    recount: Callable[[], Coroutine[Any, Any, None]],
    engine: AsyncEngine,
    *,
    total: float,
) -> None:
    """Count again from time to time what other gateways on the store have spent, and mark answers
    as lost that will not end.

    Args:
        limits: Counts what is spent.
        recount: Counts it again from the records.
        engine: The store.
        total: Most seconds that an answer takes.
    """
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            if limits.leads:
                await unbroken(_mark(engine, total))
                await unbroken(recount())
            else:
                await unbroken(limits.look())
        except StorageError as error:
            log.warning("budgets: %s", error)


async def _mark(engine: AsyncEngine, total: float) -> None:
    late = now() - int((total + _SPARE) * 1_000_000)
    async with transaction(engine, "answers cannot be marked as lost") as connection:
        marked = await mark_lost(connection, before=late)
    if marked:
        log.warning("marked %d answers as lost that were not complete in time", marked)


async def _estimate(open_: Open, policies: Policies) -> Spent:
    """What answers took whose end is not on record: an earlier gtalign's, or broken off."""
    read = open_.read + UNTOLD * (open_.answers - open_.read_known)
    written = open_.written + UNTOLD * (open_.answers - open_.written_known)
    policy = await policies.version(open_.policy_hash)
    # Of a version that nobody knows, the price is that of the dearest that may have been meant.
    named = (open_.policy,) if open_.policy in policies.names() else policies.names()
    meant = [policies.get(name) for name in named] if policy is None else [policy]
    fee = max(one.price.answer for one in meant) * open_.answers
    money = max(AnswerUsage(read, written).spent(one).money for one in meant)
    return Spent(read + written, money + fee, open_.answers)


def _tokens(count: int | None, text: str | None, events: int = 0) -> int:
    if count is not None:
        return count
    if text is None:
        return events or UNTOLD
    return max(events, -(-len(text.encode("utf-8", "replace")) // BYTES))


def _characters(text: str | None, tokens: int, ratio: float) -> float:
    return tokens * ratio if text is None else float(len(text))


def _texts(asked: Any) -> Iterator[str]:
    """The texts in what is asked, however deeply it is nested."""
    left = [asked]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list | tuple):
            left.extend(reversed(one))
        elif isinstance(one, dict):
            left.extend(one[name] for name in _HOLDING if name in one)
