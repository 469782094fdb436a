"""Clerks that learn nothing: each takes its decisions by a rule, from what it can read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gtalign.dialogue import Answer
from gtalign.game import ClarifyingQuestion, clarifying_move, worth_asking
from gtalign.lab.desk.optimum import TOLD_WORDS, UNSURE_WORDS, belief_of, best_move, signals
from gtalign.lab.desk.people import TURNS, persona_of
from gtalign.lab.desk.wishes import PATIENCE, Wish
from gtalign.tasks import Message

Decide = Callable[[Wish, tuple[str, ...]], int]
"""Takes what is known of a person and its replies; returns the number of a thing, or their number
to ask."""


@dataclass(frozen=True)
class Clerk:
    """An assistant by rule, which says as little as can be said.

    Args:
        decide: The rule.
    """

    decide: Decide

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation."""
        wish = Wish.read(messages[0]["content"])
        replies = tuple(m["content"] for m in messages[1:] if m["role"] == "user")
        move = self.decide(wish, replies)
        said = f"{wish.shelf}?" if move == len(wish.things) else f"{wish.things[move]}."
        return Answer(said, said)


def likeliest(wish: Wish, replies: tuple[str, ...]) -> int:
    """Answer at once with what is most likely wanted."""
    share = belief_of(wish, replies).reshape(2, -1).sum(axis=0)
    return int(share.argmax())


def always_asks(wish: Wish, replies: tuple[str, ...]) -> int:
    """Ask until it is known what is wanted, or nothing can be asked any more."""
    sure = belief_of(wish, replies).reshape(2, -1).sum(axis=0).max() > 1 - 1e-9
    return likeliest(wish, replies) if sure or len(replies) == TURNS - 1 else len(wish.things)


def worth_rule(wish: Wish, replies: tuple[str, ...]) -> int:
    """Ask if and only if the reply is worth more than it costs both (`worth_asking`).

    It knows the true probabilities, those of the replies included, and looks one question ahead.
    Like the published rule it counts the worth of the answer and the cost of the question for both
    sides; with the chance that a person leaves no reply comes.
    """
    things, asked = len(wish.things), len(replies)
    if wish.stated is not None or asked == TURNS - 1:
        return likeliest(wish, replies)
    belief = belief_of(wish, replies)
    costs = persona_of(wish, guarded=False).costs
    stays = PATIENCE[wish.patience]
    likelihood = np.hstack([stays * signals(things, asked), np.full((2 * things, 1), 1 - stays)])
    right = np.tile(np.eye(things), (2, 1)) * costs.discount**asked
    # The expected words of the reply.
    words = likelihood @ [*[TOLD_WORDS] * things, UNSURE_WORDS, 0] @ belief
    charge = (costs.turn + costs.read + costs.written * float(words), costs.llm)
    asks = worth_asking(np.stack([right, right], axis=-1), belief, likelihood, charge)
    return things if asks else likeliest(wish, replies)


def looks_ahead(wish: Wish, replies: tuple[str, ...]) -> int:
    """As `worth_rule`, but it also counts that a person who leaves takes no answer along."""
    things, asked = len(wish.things), len(replies)
    if wish.stated is not None or asked == TURNS - 1:
        return likeliest(wish, replies)
    costs = persona_of(wish, guarded=False).costs
    right = np.tile(np.eye(things), (2, 1)) * costs.discount**asked
    words = signals(things, asked) @ [*[TOLD_WORDS] * things, UNSURE_WORDS]
    belief = belief_of(wish, replies)
    stays = PATIENCE[wish.patience]
    charge = costs.turn + costs.read + costs.written * stays * float(words @ belief)
    ask = ClarifyingQuestion(signals(things, asked), (charge, costs.llm), stays)
    move, _ = clarifying_move(np.stack([right, right], axis=-1), belief, [ask], 1)
    return int(move)


CLERKS: Final[dict[str, Decide]] = {
    "optimum": best_move,
    "rule": worth_rule,
    "ahead": looks_ahead,
    "direct": likeliest,
    "asks": always_asks,
}
"""The clerks that learn nothing, by name."""
