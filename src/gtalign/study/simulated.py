"""Simulated annotators: programs that rate, so that a study can be tried without people.

What they say is about the program, and never about people. So their names begin with ``simulated``,
every line of their files says ``"simulated": true``, and the analysis never mixes them with people.
"""

import re
from collections.abc import Sequence
from math import log
from typing import Final, Protocol

import numpy as np

from gtalign.study.annotator import SIMULATED, Annotator, RatingFile, order_of
from gtalign.study.folder import StudyFolder
from gtalign.study.item import Item
from gtalign.tasks import Message

_WORD: Final = re.compile(r"\w+")


class SimulatedReader(Protocol):
    """A reader that has an opinion of an answer."""

    def satisfaction(self, context: Sequence[Message], answer: Sequence[Message]) -> float:
        """How satisfied one is, about 1 to 5; rounding and noise are added by `simulate`.

        Args:
            context: The question, and the turns before it.
            answer: What was answered: one turn, or all turns that follow.
        """
        ...


class WordCountingReader:
    """Counts words, and understands nothing: the reader that ships.

    It likes answers that take up words of the question, dislikes long ones and questions back, and
    gives an answer without words the worst rating.
    """

    def satisfaction(self, context: Sequence[Message], answer: Sequence[Message]) -> float:
        """3.2, plus up to 2 for words of the question, less for length and for asking."""
        said = " ".join(turn["content"] for turn in answer if turn["role"] == "assistant").lower()
        words = _WORD.findall(said)
        if not words:
            return 1.0
        asked = set(_WORD.findall(" ".join(turn["content"] for turn in context).lower()))
        taken_up = sum(word in asked for word in words) / len(words)
        too_long = max(0.0, log(len(words) / 30))
        return 3.2 + 2 * taken_up - 0.5 * too_long - 0.4 * said.rstrip().endswith("?")


def simulate(
    study: StudyFolder, count: int, *, seed: int = 0, reader: SimulatedReader | None = None
) -> list[Annotator]:
    """Let simulated annotators rate whatever they have not rated yet.

    Each is lenient or strict by itself (a standard deviation of 0.4), and says something else of
    the same answer each time (0.7). Between two answers that differ by less than 0.3 it prefers
    neither.

    Args:
        study: The study.
        count: Number of annotators.
        seed: Seed of their leniency and noise.
        reader: The `SimulatedReader` that says what they think of answers; by default
            `WordCountingReader`.

    Raises:
        StorageError: The ratings cannot be written.
    """
    reader = reader or WordCountingReader()
    annotators = [Annotator(f"{SIMULATED} reader {n + 1}", simulated=True) for n in range(count)]
    for number, annotator in enumerate(annotators):
        rng = np.random.default_rng([seed, number])
        lenient = rng.normal(0, 0.4)
        file = RatingFile(study, annotator)
        known = file.values()
        said = {item.id: _say(item, reader, lenient, rng) for item in order_of(study, annotator)}
        file.add({item: value for item, value in said.items() if item not in known})
    return annotators


def _say(item: Item, reader: SimulatedReader, lenient: float, rng: np.random.Generator) -> int:
    felt = [
        reader.satisfaction(item.context, answer.turns) + lenient + rng.normal(0, 0.7)
        for answer in item.answers
    ]
    if item.kind == "rating":
        return int(np.clip(round(felt[0]), 1, 5))
    if abs(felt[0] - felt[1]) < 0.3:
        return 0
    return 1 if felt[0] > felt[1] else 2
