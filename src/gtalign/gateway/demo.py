"""Answer given questions under every policy, so that the dashboard has records to show."""

from collections.abc import Sequence
from contextlib import aclosing
from uuid import uuid4

from gtalign.gateway.answers.answer import Answer
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.keys import ANYONE
from gtalign.steering import Ask, Sampling
from gtalign.tasks import Message


async def ask_all(gateway: Gateway, conversations: Sequence[Sequence[Message]]) -> int:
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
            terms = Terms(id_, "demo", ANYONE, policy, "response", gateway.upstream.name)
            sampling = Sampling(temperature=0.7, seed=seed)
            ask = Ask(tuple(messages), gateway.config.limits.max_tokens, sampling)
            async with aclosing(Answer(gateway, terms, ask, stream=False).pieces()) as pieces:
                async for _ in pieces:
                    pass
            written += 1
    return written
