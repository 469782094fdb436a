"""Answer given questions under every policy, so that the dashboard has records to show."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from gtalign.errors import GTAlignError
from gtalign.gateway.answers.answer import Answer
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.keys import ANYONE
from gtalign.steering import Ask, Sampling
from gtalign.tasks import Message

log = logging.getLogger(__name__)

Conversations = Sequence[Sequence[Message]]


def demo_of(
    conversations: Conversations, show: Callable[[int], None]
) -> Callable[[Gateway], Coroutine[Any, Any, None]]:
    """Return work beside a server that asks some questions under every policy, as a client would.

    Args:
        conversations: The questions, each with the turns before it.
        show: Called at the end with the number of answers.
    """

    async def demo(gateway: Gateway) -> None:
        try:
            show(await ask_all(gateway, conversations))
        except GTAlignError as error:
            log.warning("the demo ended early: %s", error)

    return demo


async def ask_all(gateway: Gateway, conversations: Conversations) -> int:
    """Have each conversation answered under each policy, one after the other, and recorded.

    Returns:
        Number of answers.

    Raises:
        SteeringError: The model server failed.
        StorageError: A decision could not be recorded.
    """
    written = 0
    for seed, messages in enumerate(conversations):
        for name in gateway.policies.names():
            policy = gateway.policies.get(name)
            id_ = f"demo-{uuid4().hex}"
            served = gateway.models.first
            name = served.name or ""
            terms = Terms(id_, "demo", ANYONE, policy, "response", name, served)
            sampling = Sampling(temperature=0.7, seed=seed)
            ask = Ask(tuple(messages), gateway.config.limits.unnamed, sampling)
            async with aclosing(Answer(gateway, terms, ask, stream=False).pieces()) as pieces:
                async for _ in pieces:
                    pass
            written += 1
    return written
