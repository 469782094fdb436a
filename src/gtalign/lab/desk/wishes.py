"""What people ask for at the desk, in words, and the facts behind it."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from gtalign.tasks import Message, Question

SHELVES: Final[Mapping[str, Sequence[str]]] = {
    "pet": ("cat", "dog", "parrot", "snake", "pony", "rabbit", "goat", "hen"),
    "drink": ("tea", "milk", "water", "juice", "cocoa", "soda", "coffee", "lemonade"),
    "tool": ("saw", "hammer", "drill", "file", "plane", "chisel", "wrench", "level"),
    "plant": ("rose", "tulip", "fern", "lily", "daisy", "palm", "cactus", "poppy"),
}
"""The things that can be wanted, by the word for all of them."""

SHARES: Final = (
    *((9, 1), (7, 3), (5, 5)),
    *((7, 2, 1), (5, 3, 2), (4, 3, 3)),
    *((6, 2, 1, 1), (4, 3, 2, 1), (3, 3, 2, 2)),
)
"""How many of ten want each thing."""

SIZES: Final = (2, 3, 4)
"""Numbers of things that one person may want."""

PATIENCE: Final = {"patient": 0.95, "busy": 0.75, "hasty": 0.5}
"""Probability that a person replies to a question instead of leaving."""

PRICE: Final = {"cheap": 0.02, "fair": 0.1, "dear": 0.25}
"""What each answer of the clerk costs the person, in right answers."""

SAID: Final = {
    "patient": "i have time.",
    "busy": "i am busy.",
    "hasty": "i must run.",
    "cheap": "a turn is cheap.",
    "fair": "a turn is fair.",
    "dear": "a turn is dear.",
}

GUARDED: Final = 0.3
"""Share of the people who say at first that they do not know."""

DETAILED: Final = 0.25
"""Share of the people who say at once what they want."""

HOLDOUT: Final = 5
"""One of this many sets of things belongs to the test side."""


_TOLD: Final = re.compile(r"(\d+) want a (\w+)\.")
_ASKED: Final = re.compile(r"i want a (?P<shelf>\w+)(?:, a (?P<stated>\w+))?\.$")


@dataclass(frozen=True)
class Wish:
    """What the clerk can read of a person.

    Args:
        shelf: The word for the things.
        things: What it may be.
        shares: How many of ten want each.
        patience: A key of `PATIENCE`.
        price: A key of `PRICE`.
        stated: Number of the thing that is asked for; None if the person leaves that out.
    """

    shelf: str
    things: tuple[str, ...]
    shares: tuple[int, ...]
    patience: str
    price: str
    stated: int | None = None

    @classmethod
    def read(cls, text: str) -> "Wish":
        """Read the words of `text` back."""
        told = _TOLD.findall(text)
        asked = _ASKED.search(text)
        assert asked is not None  # the desk's own words
        things = tuple(thing for _, thing in told)
        stated = asked["stated"]
        return cls(
            shelf=asked["shelf"],
            things=things,
            shares=tuple(int(share) for share, _ in told),
            patience=next(name for name in PATIENCE if SAID[name] in text),
            price=next(name for name in PRICE if SAID[name] in text),
            stated=None if stated is None else things.index(stated),
        )

    @property
    def belief(self) -> tuple[float, ...]:
        """How likely it is that each thing is wanted, given all that is said."""
        if self.stated is not None:
            return tuple(float(n == self.stated) for n in range(len(self.things)))
        return tuple(share / sum(self.shares) for share in self.shares)

    @property
    def likeliest(self) -> int:
        """Number of the thing that is most likely wanted; of several, the first."""
        return self.belief.index(max(self.belief))

    def text(self, stated: int | None) -> str:
        """Return the question in words, with a thing that is asked for or without one."""
        told = " ".join(
            f"{share} want a {thing}."
            for share, thing in zip(self.shares, self.things, strict=True)
        )
        asked = "" if stated is None else f", a {self.things[stated]}"
        terms = f"{SAID[self.patience]} {SAID[self.price]}"
        return f"{told} {terms} i want a {self.shelf}{asked}."

    def question(self, id: str, split: str) -> Question:
        """Return the question that the person asks."""
        return Question(
            id=id,
            task="desk",
            messages=(Message(role="user", content=self.text(self.stated)),),
            ground_truth="",
            cluster=id,
            extra={"split": split},
        )


def make_questions(seed: int, count: int, split: str) -> list[Question]:
    """Make questions of the desk; no set of things is on both sides of the split.

    Args:
        seed: Same seed, same questions.
        count: Their number.
        split: ``train`` or ``test``.
    """
    rng = np.random.default_rng([seed, split == "test"])
    sets = [
        (shelf, things)
        for shelf, all_things in SHELVES.items()
        for size in SIZES
        for things in combinations(all_things, size)
        if (zlib.crc32(" ".join(things).encode()) % HOLDOUT == 0) == (split == "test")
    ]
    by_size = {n: [one for one in sets if len(one[1]) == n] for n in SIZES}
    found = []
    for number in range(count):
        shares = SHARES[int(rng.integers(len(SHARES)))]
        shelf, things = by_size[len(shares)][int(rng.integers(len(by_size[len(shares)])))]
        names = rng.permutation(len(things))
        wish = Wish(
            shelf=shelf,
            things=tuple(things[n] for n in names),
            shares=shares,  # the likeliest first: so small a network does not sort
            patience=list(PATIENCE)[int(rng.integers(len(PATIENCE)))],
            price=list(PRICE)[int(rng.integers(len(PRICE)))],
        )
        if rng.random() < DETAILED:
            wanted = int(rng.choice(len(things), p=wish.belief))
            wish = replace(wish, stated=wanted)
        found.append(wish.question(f"{split}-{number}", split))
    return found
