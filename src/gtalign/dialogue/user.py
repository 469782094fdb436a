"""The seam between a conversation and its simulated user: a protocol one method wide."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from gtalign.chain import acted, asked
from gtalign.chain.sentences import Said, said
from gtalign.dialogue.goal import Goal
from gtalign.dialogue.persona import Persona
from gtalign.dialogue.words import unreadable
from gtalign.errors import UserError
from gtalign.game import USER_LLM, GameForm
from gtalign.tasks import Message


@dataclass(frozen=True)
class Conversation:
    """A conversation as its user sees it.

    Args:
        goal: What the user wants.
        persona: Who the user is.
        messages: All messages so far; the last one is the assistant's. The user sees responses, no
            chains.
        turns: Number of the assistant's answers since the question.
        told: Numbers of the missing facts that the user has told.
        id: Id of the conversation; conversations that are to meet the same chance share it.
        seed: Seed of what chance decides.
        form: The game whose actions the responses carry out.
    """

    goal: Goal
    persona: Persona
    messages: tuple[Message, ...]
    turns: int
    told: frozenset[int] = frozenset()
    id: str = ""
    seed: int = 0
    form: GameForm = USER_LLM

    @property
    def response(self) -> str:
        """The assistant's last response."""
        return self.messages[-1]["content"]

    @property
    def replies(self) -> Sequence[str]:
        """What the user has said since the question, in order."""
        since = self.messages[len(self.messages) - 2 * self.turns + 1 :]
        return [message["content"] for message in since if message["role"] == "user"]

    @cached_property
    def questions(self) -> list[str]:
        """The questions of the last response."""
        return asked(self.response)

    @cached_property
    def wanted(self) -> tuple[int, ...]:
        """Numbers of the facts that the last response asks for and that are not told yet."""
        return self.goal.asked_for(self.questions, self.told)

    @cached_property
    def offered(self) -> tuple[int, ...]:
        """Numbers of what the user has a reply to although nothing hangs on it, and is asked."""
        return self.goal.offered_by(self.questions)

    @cached_property
    def said(self) -> Said:
        """Whether the last response states, and whether it asks."""
        return said(self.response)

    @property
    def silent(self) -> bool:
        """Whether the last response says nothing: it neither states nor asks."""
        return not (self.said.states or self.said.asks)

    @cached_property
    def action(self) -> str | None:
        """The action of the last response, as the signs of the game have it; None if none fits.

        In the game of one assistant turn it is None only if the response says nothing.
        """
        return acted(self.response, self.form)

    @cached_property
    def quality(self) -> float | None:
        """Quality of what the last response states; 0 if it states nothing, None if unknown."""
        return self.goal.grade(self.response) if self.said.states else 0.0

    def rng(self) -> np.random.Generator:
        """Return a generator for this turn: the same each time, in every run."""
        return np.random.default_rng(
            [self.seed, zlib.crc32(self.id.encode("utf-8", "surrogatepass")), self.turns]
        )


@dataclass(frozen=True, slots=True)
class Satisfied:
    """The user ends the conversation and is content."""


@dataclass(frozen=True, slots=True)
class Left:
    """The user ends the conversation and is not content.

    Args:
        empty_handed: Whether the user leaves without reading the last response, so that its answer
            counts for nothing.
    """

    empty_handed: bool = field(default=False)


Reply = str | Satisfied | Left
"""What a user does: says something, is satisfied, or leaves."""


LONGEST: Final = 20_000
"""Characters above which a text is no reply."""


def checked(reply: object, about: str) -> Reply:
    """Return a reply, once it is known to be one.

    Args:
        reply: What a user gave.
        about: Who gave it and in which conversation, for errors.

    Raises:
        UserError: It is no text and no end, or too long, or a text that nobody can read: nothing
            visible, or a lone surrogate.
    """
    if isinstance(reply, Satisfied | Left):
        return reply
    if not isinstance(reply, str):
        raise UserError(f"{about}: {type(reply).__name__} is no reply", "nonsense")
    if len(reply) > LONGEST:
        raise UserError(
            f"{about}: a reply of {len(reply)} characters; at most {LONGEST} are one", "nonsense"
        )
    if (why := unreadable(reply)) is not None:
        raise UserError(f"{about}: the reply {why}", "nonsense")
    return reply


class User(Protocol):
    """A person, rule or model that plays the user."""

    async def reply(self, conversation: Conversation) -> Reply:
        """Return what the user says to the assistant's last response, or that the user ends here.

        Raises:
            UserError: The user cannot be asked, or gives no usable reply.
        """
        ...
