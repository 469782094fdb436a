"""The best policy at the desk, exactly, by the belief decision problem of `gtalign.game`.

Types are what a person wants times whether it is guarded. Both payoffs of a type and an answer are
the mutual welfare W of the conversation that ends with it, so the mean W of a policy is what
`gtalign.game.clarify_turns` maximises. What is said is as short as it can be, one word, so no
policy of the same decisions is better, in whatever words.
"""

from functools import cache
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.dialogue.measures import welfare
from gtalign.dialogue.played import Played, Turn
from gtalign.dialogue.scripted import UNSURE
from gtalign.game import Clarification, ClarifyingQuestion, DecisionEpoch, clarify_turns
from gtalign.lab.desk.people import TURNS, persona_of
from gtalign.lab.desk.wishes import GUARDED, PATIENCE, Wish
from gtalign.models import count_words

Floats = NDArray[np.float64]

TOLD_WORDS: Final = count_words("a cat.")
UNSURE_WORDS: Final = count_words(UNSURE)


@cache
def solved(patience: str, price: str, things: int, stated: bool) -> Clarification:
    """Solve the desk for a person of this patience, price and number of possible things.

    Types are numbered: the things of an open person, then those of a guarded one. Moves are the
    answers, by the number of the thing, then to ask.

    Args:
        patience: A key of `gtalign.lab.desk.wishes.PATIENCE`.
        price: A key of `gtalign.lab.desk.wishes.PRICE`.
        things: Number of things that may be wanted.
        stated: Whether the person has said which one; it then leaves if it is asked.
    """
    wish = Wish("pet", ("cat",) * things, (1,) * things, patience, price)
    stays = 0.0 if stated else PATIENCE[patience]
    turns = []
    for asked in range(TURNS):
        payoffs = np.zeros((2 * things, things, 2))
        for (guarded, wanted), answer in product(
            product((False, True), range(things)), range(things)
        ):
            worth = _worth(wish, asked, guarded=guarded, right=wanted == answer)
            payoffs[guarded * things + wanted, answer] = worth
        ask = ClarifyingQuestion(signals(things, asked), patience=stays)
        turns.append(DecisionEpoch(payoffs, (ask,) if asked < TURNS - 1 else ()))
    # Who leaves without an answer has W = 0, the payoff of leaving.
    return clarify_turns(turns, "user")


def signals(things: int, asked: int) -> Floats:
    """Probability of each reply of a person who stays: each thing, and that it does not know yet.

    Args:
        things: Number of things that may be wanted.
        asked: Number of questions so far.

    Returns:
        Shape [2 * things, things + 1]: by type as `solved` numbers them, and reply.
    """
    tells = np.hstack([np.eye(things), np.zeros((things, 1))])
    unsure = np.zeros((things, things + 1))
    unsure[:, -1] = 1.0
    return np.vstack([tells, tells if asked else unsure])


def belief_of(wish: Wish, replies: tuple[str, ...] = ()) -> Floats:
    """Return the belief over the types after some replies, as `solved` numbers them."""
    share = np.array(wish.belief)
    open_, guarded = (1 - GUARDED) * share, GUARDED * share
    for reply in replies:
        named = np.array([f"a {thing}." == reply for thing in wish.things], dtype=float)
        if named.any():
            # A guarded person tells only after it has said that it does not know.
            open_, guarded = open_ * named, guarded * named * (UNSURE in replies)
        else:
            open_ = open_ * 0
    both = np.concatenate([open_, guarded])
    return np.asarray(both / both.sum())


def value_of(wish: Wish) -> float:
    """Return the mean W of the best policy for a person of whom this is known."""
    found = solved(wish.patience, wish.price, len(wish.things), wish.stated is not None)
    return float(found.value(belief_of(wish))[0])


def best_move(wish: Wish, replies: tuple[str, ...]) -> int:
    """Return the best move after some replies: the number of a thing, or their number to ask."""
    found = solved(wish.patience, wish.price, len(wish.things), wish.stated is not None)
    return int(found.move(belief_of(wish, replies), TURNS - 1 - len(replies)))


def _worth(wish: Wish, asked: int, *, guarded: bool, right: bool) -> float:
    """W of a conversation that ends with an answer after so many questions."""
    written = [UNSURE_WORDS, TOLD_WORDS] if guarded else [TOLD_WORDS, TOLD_WORDS]
    turns = [
        Turn("", "CQ", 1, (0,), 0.0, tokens=1, read=1, written=written[turn])
        for turn in range(asked)
    ]
    answer = Turn("", "DA", 0, (), float(right), tokens=1, read=1)
    played = Played(
        question="",
        arm="ask",
        user="",
        persona=persona_of(wish, guarded=guarded).model_dump(),
        missing=1,
        turns=(*turns, answer),
        end="satisfied",
    )
    found = welfare(played)
    assert found is not None  # the quality is known
    return found[2]
