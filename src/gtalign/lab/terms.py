"""The terms of a service: costs and earnings of an answer that only one side feels.

Each item is asked of a service with its own terms. With the payoffs of today they decide what each
side gets from an outcome; `docs/explanation/conflict-dial.md` has the table.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

PRICED: Final = 4.0
"""Words over which a price or a cost by the word falls to 1/e of its worth."""

READ: Final = 30.0
"""Words over which a reader's time falls to 1/e of its worth."""

MONEY: Final = 0.5
TURNS: Final = 0.5
"""What the provider lives on: the words' money, and the money of questions back."""

PRICE: Final = 0.4
"""Weight of the price to a user who pays by the word."""

WAITING: Final = {"haste": 0.5, "calm": 0.1}
"""Weight of time to the user."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one service.

    Args:
        pay: Whether the user pays by the ``word``, or a flat fee by the ``month``; then words cost
            the provider computing.
        asks: Whether a question back costs the provider (``cost``: it goes to a person) or earns
            (``pay``: it sells).
        time: Whether the user is in ``haste`` or ``calm``.
    """

    pay: Literal["word", "month"]
    asks: Literal["cost", "pay"]
    time: Literal["haste", "calm"]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Terms":
        """Draw each term with equal chance."""
        pay, asks, time = rng.random(3) < 0.5
        return cls(
            "word" if pay else "month", "cost" if asks else "pay", "haste" if time else "calm"
        )

    def said(self, form: str) -> str:
        """Put the terms into a sentence with ``{pay}``, ``{asks}`` and ``{time}``."""
        return form.format(pay=self.pay, asks=self.asks, time=self.time)

    def user_worth(self, wish: float, turns: int, words: int, llm_words: int) -> float:
        """Return the worth of an episode to the user, in [0, 1].

        Args:
            wish: The share of the wish that came true, in [0, 1].
            turns: Further turns.
            words: Words of both sides in all turns.
            llm_words: Words of the LLM.
        """
        price = PRICE if self.pay == "word" else 0.0
        waiting = WAITING[self.time]
        return (
            (1 - price - waiting) * wish
            + price * math.exp(-llm_words / PRICED)
            + waiting * math.exp(-2 * turns - words / READ)
        )

    def llm_worth(self, turns: int, llm_words: int) -> float:
        """Return the worth of an episode to the provider, in [0, 1]."""
        short = math.exp(-llm_words / PRICED)
        money = 1 - short if self.pay == "word" else short
        asked = float(turns > 0)
        return MONEY * money + TURNS * (asked if self.asks == "pay" else 1 - asked)
