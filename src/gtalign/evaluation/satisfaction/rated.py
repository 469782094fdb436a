"""What annotators said of answers: ratings, preferences, and the answers themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SCALE: Final = (1, 2, 3, 4, 5)
"""The ratings, from very dissatisfied to very satisfied."""


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """An answer that was shown.

    Attributes:
        model: The model that wrote it.
        question: Its question, or the cluster of questions that it belongs to.
        measures: W, U, L and each factor of the reward; None where one is unknown.
    """

    model: str
    question: str
    measures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Rating:
    """One annotator's rating of one answer, 1 to 5."""

    annotator: str
    answer: str
    value: int


@dataclass(frozen=True, slots=True)
class Preference:
    """One annotator's choice between two answers to one question.

    Attributes:
        annotator: Who chose.
        first: The answer that stood first.
        second: The other one.
        value: 1 or 2 for the one that is preferred, 0 for neither.
    """

    annotator: str
    first: str
    second: str
    value: int


@dataclass(frozen=True, slots=True)
class Rated:
    """The answers of a study, and what annotators of one kind said of them.

    Attributes:
        answers: The answers by id.
        ratings: The ratings.
        preferences: The preferences.
        simulated: Whether the annotators are simulated: no people.
    """

    answers: Mapping[str, RatedAnswer]
    ratings: Sequence[Rating]
    preferences: Sequence[Preference] = ()
    simulated: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose answers were shown, in the order of the answers."""
        return tuple(dict.fromkeys(answer.model for answer in self.answers.values()))

    @property
    def annotators(self) -> tuple[str, ...]:
        """Everybody who rated or chose."""
        raters = [one.annotator for one in self.ratings]
        return tuple(dict.fromkeys(raters + [one.annotator for one in self.preferences]))
