"""The scripted user, and the true payoffs of every cell of the game in the small world.

Because the user's reply is known, the true payoff matrix of a question can be computed instead of
guessed: each cell is played to its end, and the welfare of both sides is averaged over all outcomes
(the user answers or leaves; a guess is right or wrong).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from gtalign.game import USER_LLM, Bimatrix

REPLY_RATE = 0.9
"""How often a user answers a question for the missing fact; otherwise the user leaves."""

STAY_RATE = 0.5
"""How often a user who said everything stays when the answer comes with an idle question."""

EFFORT = 4.0
"""Payoff that a user who asked vaguely would lose by writing everything down at once."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that decide what an answer is worth.

    Args:
        vague: Whether the user left out a fact that the answer needs.
        guess: Probability that a direct answer to the vague form is right.
        wrong: Quality of a direct answer that guessed wrongly, in [0, 1].
        answer_words: Length of the right answer, in words.
        ask_words: Length of the clarifying question, in words.
        reply_words: Length of the user's reply to it, in words.
    """

    vague: bool
    guess: float
    wrong: float
    answer_words: int
    ask_words: int
    reply_words: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which an episode can end; words are counted over all its turns."""

    probability: float
    quality: float
    extra_turns: int
    user_words: int
    llm_words: int


def play(situation: Situation, user_action: str, llm_action: str) -> Iterator[Outcome]:
    """Yield every outcome of one cell, with probabilities that sum to one.

    A user who said everything and gets a question instead of an answer leaves.
    """
    s = situation
    answer, ask, reply = s.answer_words, s.ask_words, s.reply_words
    match user_action, llm_action:
        case "DQ", "DA":
            yield Outcome(1.0, 1.0, 0, 0, answer)
        case "DQ", "CQ":
            yield Outcome(1.0, 0.0, 1, 0, ask)
        case "DQ", "AQ":
            yield Outcome(STAY_RATE, 1.0, 1, 0, answer + ask)
            yield Outcome(1 - STAY_RATE, 0.0, 1, 0, answer + ask)
        case "VQ", "DA":
            yield Outcome(s.guess, 1.0, 0, 0, answer)
            yield Outcome(1 - s.guess, s.wrong, 0, 0, answer)
        case "VQ", "CQ":
            yield Outcome(REPLY_RATE, 1.0, 1, reply, ask + answer)
            yield Outcome(1 - REPLY_RATE, 0.0, 1, 0, ask)
        case "VQ", "AQ":
            yield Outcome(s.guess, 1.0, 0, 0, answer + ask)
            missed = 1 - s.guess
            yield Outcome(missed * REPLY_RATE, 1.0, 1, reply, 2 * answer + ask)
            yield Outcome(missed * (1 - REPLY_RATE), s.wrong, 1, 0, answer + ask)
        case _:
            raise ValueError(f"no cell {user_action}_{llm_action} in the user-LLM game")


def user_payoff(outcome: Outcome) -> float:
    """Worth of an outcome to the user, before the effort of asking, in [-5, 5]."""
    words = outcome.user_words + outcome.llm_words
    patience = 0.3 * math.exp(-outcome.extra_turns / 2) + 0.2 * math.exp(-words / 30)
    return 10 * (0.5 * outcome.quality + patience) - 5


def llm_payoff(outcome: Outcome) -> float:
    """Worth of an outcome to the LLM: quality against the words that it wrote, in [-5, 5]."""
    return 10 * (0.6 * outcome.quality + 0.4 * math.exp(-outcome.llm_words / 40)) - 5


@cache  # the thousands of questions of a world come from a dozen situations
def true_payoff(situation: Situation) -> Bimatrix:
    """Return the expected payoffs of all six cells, rounded to one decimal.

    A user who asked vaguely did so because writing everything down is a burden: in the row of the
    detailed question that user's payoff is lower by ``EFFORT``.
    """
    payoffs = np.empty((*USER_LLM.shape, 2))
    for i, user_action in enumerate(USER_LLM.user_actions):
        effort = EFFORT if situation.vague and user_action == "DQ" else 0.0
        for j, llm_action in enumerate(USER_LLM.llm_actions):
            outcomes = list(play(situation, user_action, llm_action))
            payoffs[i, j, 0] = sum(o.probability * user_payoff(o) for o in outcomes) - effort
            payoffs[i, j, 1] = sum(o.probability * llm_payoff(o) for o in outcomes)
    return Bimatrix(USER_LLM, np.clip(np.round(payoffs, 1), -5.0, 5.0))
