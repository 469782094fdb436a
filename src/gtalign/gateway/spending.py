"""Count what keys have spent in a month, from the store."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from gtalign.errors import StorageError
from gtalign.gateway.limits import Limits
from gtalign.gateway.policies import Policies
from gtalign.gateway.store.database import unbroken
from gtalign.gateway.store.reader import Reader
from gtalign.steering import Policy

log = logging.getLogger(__name__)

_PAUSE: Final = 60.0  # seconds between two looks at what other gateways have spent


def cost(policy: Policy, read: int, written: int) -> float:
    """The price of tokens under a policy, in currency units, whoever pays it.

    Args:
        policy: The policy; its quota is left out.
        read: Tokens that the model read.
        written: Tokens that it wrote.
    """
    return (policy.price.input * read + policy.price.output * written) / 1_000_000


async def recount(limits: Limits, reader: Reader, policies: Policies) -> None:
    """Count what the store holds of this month; what is counted here already stays.

    Raises:
        StorageError: It cannot be read.
    """
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent: dict[str, tuple[int, float]] = {}
    known: dict[str, Policy | None] = {}
    for key, hash_, read, written in await reader.spent(int(month.timestamp() * 1_000_000)):
        if hash_ not in known:
            known[hash_] = await policies.version(hash_)
        tokens, money = spent.get(key, (0, 0.0))
        policy = known[hash_]
        money += 0.0 if policy is None else cost(policy, read, written)
        spent[key] = tokens + read + written, money
    for key, (tokens, money) in spent.items():
        limits.remember(key, tokens, money)


async def keep_counting(limits: Limits, reader: Reader, policies: Policies) -> None:
    """Count again from time to time what other gateways on the store have spent."""
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            await unbroken(recount(limits, reader, policies))
        except StorageError as error:
            log.warning("budgets: %s", error)
