"""Find questions that two sets share: by source prompt, by text, or by nearly the same text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gtalign.data.duplicates import DuplicateConfig, Index, Match
from gtalign.tasks import Question

By = Literal["question", "conversation"]
"""Texts to compare: the last message, or all messages with their roles."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a question has in common with those that are known.

    Args:
        source: Number of a known question from the same source prompt, if there is one.
        text: A known question with the same or nearly the same text, if there is one.
    """

    source: int | None
    text: Match | None

    def __bool__(self) -> bool:
        return self.source is not None or self.text is not None


class Known:
    """Questions that others are compared with.

    Args:
        config: What counts as a near duplicate.
        by: Texts to compare.
    """

    def __init__(self, config: DuplicateConfig | None = None, by: By = "question") -> None:
        self.by = by
        self._index = Index(config)
        self._sources: dict[str, int] = {}
        self._added = 0

    def add(self, question: Question) -> Match | None:
        """Add a question; return the earlier one that it repeats, if there is one."""
        number = self._added
        self._added += 1
        self._sources.setdefault(question.cluster, number)
        return self._index.add(number, text_of(question, self.by))

    def find(self, question: Question) -> Overlap:
        """Return what a question has in common with those that were added."""
        text = self._index.find(text_of(question, self.by))
        return Overlap(self._sources.get(question.cluster), text)


@dataclass(frozen=True, slots=True)
class Leakage:
    """How many questions of a test set are known from a training set.

    Args:
        rows: Questions of the test set.
        source: Those whose source prompt is known.
        exact: Those whose text is known.
        near: Those whose text is nearly known, and not known.
        either: Those of which any of this is true.
    """

    rows: int
    source: int
    exact: int
    near: int
    either: int


def leakage(test: Iterable[Question], known: Known) -> Leakage:
    """Count the questions of a test set that are known."""
    counts: Counter[str] = Counter()
    for question in test:
        overlap = known.find(question)
        counts["rows"] += 1
        counts["source"] += overlap.source is not None
        counts["exact"] += overlap.text is not None and overlap.text.exact
        counts["near"] += overlap.text is not None and not overlap.text.exact
        counts["either"] += bool(overlap)
    names = ("rows", "source", "exact", "near", "either")
    return Leakage(**{name: counts[name] for name in names})


def text_of(question: Question, by: By) -> str:
    """Return the text of a question that is compared."""
    if by == "question":
        return question.text
    return "\n".join(f"{m['role']}: {m['content']}" for m in question.messages)
