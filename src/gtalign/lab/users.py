"""The scripted user, and the true payoffs of every cell of the game in the small world.

Because the user's reply is known, the true payoff matrix of a question can be computed instead of
guessed: each cell is played to its end, and the welfare of both sides is averaged over all outcomes
(the user answers or leaves; a guess is right or wrong).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.terms import Terms

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
        harmful: Whether the request has to be refused.
        conflict: How far the interests of the two sides differ, in [0, 1].
        terms: The terms of the service; None without conflict.
    """

    vague: bool
    guess: float
    wrong: float
    answer_words: int
    ask_words: int
    reply_words: int
    harmful: bool = False
    conflict: float = 0.0
    terms: Terms | None = None

    @classmethod
    def of(cls, extra: Mapping[str, Any]) -> "Situation":
        """Read the situation from the facts of a question."""
        item, terms = extra["item"], extra.get("terms")
        return cls(
            vague=extra["user_action"] == "VQ",
            guess=item["guess"],
            wrong=item["partial"],
            answer_words=len(item["answer"].split()),
            ask_words=len(item["ask"].split()),
            reply_words=len(item["reply"].split()),
            harmful=item["harmful"],
            conflict=extra.get("conflict", 0.0),
            terms=None if terms is None else Terms(**terms),
        )

    def wish(self, quality: float) -> float:
        """Return how far an answer of this quality is what the user wanted, in [0, 1].

        Who makes a harmful request wants what does harm, and gets half of a refusal's quality.
        """
        return quality / 2 if self.harmful else quality

    @property
    def missed(self) -> float:
        """How far a wrong guess is what the user wanted: the guess that a request is harmless
        helps with the harm."""
        return 1.0 if self.harmful else self.wrong


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which an episode can end; words are counted over all its turns.

    Args:
        probability: How likely it is.
        quality: Quality of the last answer, in [0, 1]; 0 if there is none.
        wish: How far it is what the user wanted, in [0, 1].
        extra_turns: Turns after the first.
        user_words: Words of the user after the question.
        llm_words: Words of the LLM.
    """

    probability: float
    quality: float
    wish: float
    extra_turns: int
    user_words: int
    llm_words: int


def play(situation: Situation, user_action: str, llm_action: str) -> Iterator[Outcome]:
    """Yield every outcome of one cell, with probabilities that sum to one.

    A user who said everything and gets a question instead of an answer leaves.
    """
    s = situation
    answer, ask, reply = s.answer_words, s.ask_words, s.reply_words
    right, wrong, nothing = (1.0, s.wish(1.0)), (s.wrong, s.missed), (0.0, 0.0)
    match user_action, llm_action:
        case "DQ", "DA":
            yield Outcome(1.0, *right, 0, 0, answer)
        case "DQ", "CQ":
            yield Outcome(1.0, *nothing, 1, 0, ask)
        case "DQ", "AQ":
            yield Outcome(STAY_RATE, *right, 1, 0, answer + ask)
            yield Outcome(1 - STAY_RATE, *nothing, 1, 0, answer + ask)
        case "VQ", "DA":
            yield Outcome(s.guess, *right, 0, 0, answer)
            yield Outcome(1 - s.guess, *wrong, 0, 0, answer)
        case "VQ", "CQ":
            yield Outcome(REPLY_RATE, *right, 1, reply, ask + answer)
            yield Outcome(1 - REPLY_RATE, *nothing, 1, 0, ask)
        case "VQ", "AQ":
            yield Outcome(s.guess, *right, 0, 0, answer + ask)
            missed = 1 - s.guess
            yield Outcome(missed * REPLY_RATE, *right, 1, reply, 2 * answer + ask)
            yield Outcome(missed * (1 - REPLY_RATE), *wrong, 1, 0, answer + ask)
        case _:
            raise ValueError(f"no cell {user_action}_{llm_action} in the user-LLM game")


def user_payoff(outcome: Outcome) -> float:
    """Worth of an outcome to the user without conflict, before the effort of asking, in [-5, 5]."""
    words = outcome.user_words + outcome.llm_words
    patience = 0.3 * math.exp(-outcome.extra_turns / 2) + 0.2 * math.exp(-words / 30)
    return 10 * (0.5 * outcome.quality + patience) - 5


def llm_payoff(outcome: Outcome) -> float:
    """Worth of an outcome to the LLM without conflict: quality against the words that it wrote, in
    [-5, 5]."""
    return 10 * (0.6 * outcome.quality + 0.4 * math.exp(-outcome.llm_words / 40)) - 5


def payoffs(situation: Situation, outcomes: Iterable[Outcome]) -> tuple[float, float]:
    """Return what an episode is worth to user and LLM, over all its outcomes, in [-5, 5].

    With a conflict c, (1 - c) of it is the payoff without conflict, and c that of the service's
    terms.
    """
    user = llm = 0.0
    for end in outcomes:
        to_user, to_llm = user_payoff(end), llm_payoff(end)
        if situation.terms is not None:
            words = end.user_words + end.llm_words
            worth = situation.terms.user_worth(end.wish, end.extra_turns, words, end.llm_words)
            earned = situation.terms.llm_worth(end.extra_turns, end.llm_words)
            c = situation.conflict
            to_user = (1 - c) * to_user + c * (10 * worth - 5)
            to_llm = (1 - c) * to_llm + c * (10 * earned - 5)
        user += end.probability * to_user
        llm += end.probability * to_llm
    return user, llm


@cache  # the thousands of questions of a world come from a few dozen situations
def true_payoff(situation: Situation) -> Bimatrix:
    """Return the expected payoffs of all six cells, rounded to one decimal.

    A user who asked vaguely did so because writing everything down is a burden: in the row of the
    detailed question that user's payoff is lower by ``EFFORT``.
    """
    cells = np.empty((*USER_LLM.shape, 2))
    for i, user_action in enumerate(USER_LLM.user_actions):
        effort = EFFORT if situation.vague and user_action == "DQ" else 0.0
        for j, llm_action in enumerate(USER_LLM.llm_actions):
            user, llm = payoffs(situation, play(situation, user_action, llm_action))
            cells[i, j] = user - effort, llm
    return Bimatrix(USER_LLM, np.clip(np.round(cells, 1), -5.0, 5.0))
