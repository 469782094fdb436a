"""Wordings that leave open whether a question is vague, in a known proportion.

A hedged question states every fact, but one with a hedge before it ("maybe bado buys 3 coins"). If
the question is a detailed one, the fact is right. If it is a vague one, the user does not know the
fact and names one that is right only as often as a guess. The text looks the same in both cases;
the hedge alone says how likely each is. Nobody can know more: this is the right belief (Bayes'
rule, with as many vague as detailed questions).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from gtalign.lab.questions import Need, Stated
from gtalign.tasks import Question

__all__ = ["Hedged", "belief_of", "right_belief"]

PAIRS: Final = (("surely", "hardly", 0.9), ("probably", "possibly", 0.75), ("likely", "maybe", 0.6))
"""Two hedges each, and how many of the questions with the second one are vague; of those with the
first one it is the rest."""


@dataclass(frozen=True, slots=True)
class Hedged:
    """A fact with a hedge.

    Args:
        hedge: The hedge.
        vague: Share of vague questions among those with this hedge.
        stated: The fact, and what follows from it.
    """

    hedge: str
    vague: float
    stated: Stated

    @classmethod
    def draw(cls, item: Need, form: str, rng: np.random.Generator) -> "Hedged":
        """Draw the hedge and the fact of one form, ``VQ`` or ``DQ``, of an item."""
        sure, doubtful, share = PAIRS[int(rng.integers(len(PAIRS)))]
        doubts = rng.random() < (share if form == "VQ" else 1 - share)
        stated = Stated(item.reply, item.answer, item.work)
        if form == "VQ" and rng.random() >= item.guess:
            stated = item.others[int(rng.integers(len(item.others)))]
        return cls(doubtful if doubts else sure, share if doubts else round(1 - share, 4), stated)

    def worded(self, item: Need) -> tuple[str, ...]:
        """The conversation: that of the detailed form, with the hedge and the fact in it."""
        *before, last = item.detailed
        start, _, end = last.rpartition(item.reply.removesuffix("."))
        return (*before, f"{start}{self.hedge} {self.stated.reply.removesuffix('.')}{end}")

    @property
    def facts(self) -> dict[str, Any]:
        """What the question carries of it."""
        return {"hedge": self.hedge, **asdict(self.stated)}


def belief_of(form: str, hedged: Hedged | None) -> dict[str, float]:
    """How likely each action of the user is, by all that a question of this form shows."""
    vague = float(form == "VQ") if hedged is None else hedged.vague
    return {"DQ": round(1 - vague, 4), "VQ": vague}


def right_belief(question: Question) -> Mapping[str, float]:
    """The right belief of a question: what it carries, else that it is what it is."""
    carried: Mapping[str, float] | None = question.extra.get("right_belief")
    return belief_of(question.extra["user_action"], None) if carried is None else carried
