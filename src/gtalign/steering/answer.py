"""A request for an answer, what happens on the way, and the steered answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gtalign.chain import Chain, Event, Tools
from gtalign.steering.backend import Sampling
from gtalign.steering.decision import Decision
from gtalign.tasks import Message


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for an answer.

    Args:
        messages: The conversation.
        max_tokens: Most tokens to write, over all phases together. If no chain comes of them, the
            engine's own answer has as many again.
        sampling: How tokens are drawn, in every phase.
        stop: Strings that end the response; inside the response only.
        used_tokens: Tokens of the user's quota that were used before this answer.
        named: The parameters of `sampling` that the request names; the others have defaults.
        schema: The JSON Schema that the response follows; None for a response in words.
        tools: The tools that the response may call; None if there are none.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 2048
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    used_tokens: int = 0
    named: frozenset[str] = frozenset({"temperature", "top_p", "top_k", "seed"})
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    tools: Tools | None = None

    @property
    def in_words(self) -> bool:
        """Whether the response is sure to be text for a reader, and nothing for a program."""
        return self.schema is None and self.tools is None


def fan_out(ask: Ask, count: int) -> list[Ask]:
    """Return one request for each of several answers; each has the next seed."""
    seed = ask.sampling.seed
    if seed is None:
        return [ask] * count
    return [
        replace(ask, sampling=replace(ask.sampling, seed=seed + number)) for number in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision has been made; its facts about the response are not known yet."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Restarted:
    """The message is rewritten from character ``position`` on; discard what was reported there."""

    position: int


SteeringEvent = Event | Decided | Restarted
"""The events of a session, in order: the chain as it is written, and the decision about it."""


@dataclass(frozen=True, slots=True)
class Steered:
    """A finished answer.

    Args:
        text: The whole message, with the matrix that the model continued from.
        response: What the user sees; None if it cannot be separated from the rest of the message.
        chain: The message as a chain, read tolerantly; None if it is not a chain.
        decision: The record of what was done, and why.
        finish: ``stop`` at the end of the message or at a stop string, ``length`` out of tokens.
        stop: The stop string that ended it; None if none did.
    """

    text: str
    response: str | None
    chain: Chain | None
    decision: Decision
    finish: Literal["stop", "length"]
    stop: str | None = None

    @property
    def tokens(self) -> int:
        """Tokens written over all phases, including those that were discarded."""
        return sum(phase.tokens for phase in self.decision.phases)

    @property
    def summary(self) -> str:
        """The recommended, the chosen and the executed action, in one line."""
        decision = self.decision
        said = []
        if decision.before is not None and decision.after is not None:
            before, after = decision.before.cell, decision.after.cell
            said.append(f"recommended {after}" + (f" (was {before})" if before != after else ""))
        if decision.chosen is not None:
            said.append(f"analysis chose {decision.chosen}")
        said.append(f"response: {decision.acted or 'unknown action'}")
        said.append(f"{self.tokens} tokens")
        return "; ".join(said)

    def __str__(self) -> str:
        reason = f" ({self.decision.reason})" if self.decision.reason else ""
        said = self.text if self.response is None else self.response
        return f"{self.decision.policy}: {self.summary}{reason}\n{said}"
