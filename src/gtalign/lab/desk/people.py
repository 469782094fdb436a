"""The people at the desk: what one of them wants, who it is, and what it does."""

import zlib
from functools import partial
from typing import Final

import numpy as np

from gtalign.dialogue import (
    Conversation,
    Costs,
    Goal,
    Left,
    Match,
    Missing,
    Persona,
    Reply,
    Rules,
    ScriptedUser,
)
from gtalign.dialogue.scripted import pleased
from gtalign.dialogue.words import words_of
from gtalign.lab.desk.wishes import GUARDED, PATIENCE, PRICE, SHELVES, Wish
from gtalign.tasks import Message, Question

TURNS: Final = 3
"""Most answers of the clerk."""

RULES: Final = Rules(turns=TURNS)
"""How conversations at the desk are played; words count as tokens."""


class Customer(ScriptedUser):
    """A person at the desk: takes the first answer, right or wrong, and goes.

    So an answer ends the conversation, whether or not a question comes with it. Questions are met
    as by `ScriptedUser`.
    """

    async def reply(self, conversation: Conversation) -> Reply:
        """Return what the person says or does."""
        if conversation.action in ("DA", "AQ"):
            return pleased(conversation) or Left()
        return await super().reply(conversation)


CUSTOMER: Final = Customer()


def persona_of(wish: Wish, *, guarded: bool) -> Persona:
    """Return who asks."""
    return Persona(
        type="guarded" if guarded else "open",
        replies=PATIENCE[wish.patience],
        costs=Costs(turn=PRICE[wish.price]),
    )


def goal_of(question: Question, wanted: int) -> Goal:
    """Return the goal of a person who wants the thing of this number."""
    wish = Wish.read(question.text)
    thing = wish.things[wanted]
    missing = (
        ()
        if wish.stated is not None
        else (Missing((wish.shelf,), f"a {thing}.", frozenset({"a"})),)
    )
    return Goal(
        question=question,
        wish=f"You want a {thing}.",
        grade=partial(grade, wish.shelf, thing),
        answers=(thing,),
        missing=missing,
        detailed=(Message(role="user", content=wish.text(wanted)),),
    )


def grade(shelf: str, thing: str, response: str) -> float:
    """Return 1 for a response that names the thing and no other of its shelf, else 0.

    What it asks is no part of the answer, but naming further things in a question is no answer
    either.
    """
    named = set(words_of(response)) & set(SHELVES[shelf])
    return float(named == {thing})


def match_of(question: Question, number: int, *, arm: str = "ask") -> Match:
    """Return a conversation on a question, with what is hidden drawn by its number.

    The same number draws the same person in every arm.
    """
    wish = Wish.read(question.text)
    rng = np.random.default_rng([zlib.crc32(question.id.encode()), number])
    wanted = int(rng.choice(len(wish.things), p=wish.belief))
    guarded = bool(rng.random() < GUARDED)
    kind = "detailed" if wish.stated is not None else "guarded" if guarded else "open"
    return Match(
        goal_of(question, wanted),
        CUSTOMER,
        f"{kind}, {wish.patience}, {wish.price}",
        persona_of(wish, guarded=guarded),
        arm,
        number,
        detailed=arm == "full",
    )
