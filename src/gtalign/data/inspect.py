"""Summarise a file of dataset rows in one pass: counts, lengths, labels and a sample.

Memory holds the sample and a number for each source prompt and each length, never the rows.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtalign.data.rows import read_rows
from gtalign.tasks import Question, task_named
from gtalign.tasks.ambiguity import is_ambiguous
from gtalign.tasks.safety import is_harmful


@dataclass(slots=True)
class LengthSummary:
    """How often each length occurs; quantiles are exact."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, length: int) -> None:
        """Count one more."""
        self.counts[length] += 1

    def quantile(self, share: float) -> int:
        """Return the least length that at least this share of all do not exceed.

        Raises:
            ValueError: Nothing has been counted.
        """
        wanted, upto = share * self.counts.total(), 0
        for length in sorted(self.counts):
            upto += self.counts[length]
            if upto >= wanted:
                return length
        raise ValueError("no length has been counted")

    def to_json(self) -> dict[str, float]:
        """Return mean, median, 90th percentile and maximum."""
        total = sum(length * count for length, count in self.counts.items())
        return {
            "mean": total / self.counts.total(),
            "median": self.quantile(0.5),
            "p90": self.quantile(0.9),
            "max": self.quantile(1.0),
        }


@dataclass(slots=True)
class Summary:
    """Counts and lengths of the rows of one task.

    Args:
        rows: How many there are.
        sources: A number for each source prompt.
        splits, labels: How often each occurs; see `label`.
        words: Whitespace-separated words of what is asked last.
        conversation_words: The same of all turns.
        turns: Messages of the conversation.
        truth_words: Words of the ground truth.
        samples: Some questions, drawn with equal chances.
    """

    rows: int = 0
    sources: set[int] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    words: LengthSummary = field(default_factory=LengthSummary)
    conversation_words: LengthSummary = field(default_factory=LengthSummary)
    turns: LengthSummary = field(default_factory=LengthSummary)
    truth_words: LengthSummary = field(default_factory=LengthSummary)
    samples: list[Question] = field(default_factory=list)

    def add(self, question: Question) -> None:
        """Count a question."""
        self.rows += 1
        digest = hashlib.blake2b(
            question.cluster.encode("utf-8", "surrogatepass"), digest_size=8
        ).digest()
        self.sources.add(int.from_bytes(digest))
        self.splits[str(question.extra.get("split") or "none")] += 1
        self.labels[label(question)] += 1
        self.words.add(len(question.text.split()))
        self.conversation_words.add(sum(len(m["content"].split()) for m in question.messages))
        self.turns.add(len(question.messages))
        self.truth_words.add(len(question.ground_truth.split()))

    def to_json(self, *, show_harmful: bool = False) -> dict[str, Any]:
        """Return the summary as an object; a harmful request's text is null unless it is wanted."""
        return {
            "rows": self.rows,
            "source_prompts": len(self.sources),
            "splits": dict(self.splits),
            "labels": dict(self.labels),
            "words": self.words.to_json(),
            "conversation_words": self.conversation_words.to_json(),
            "turns": self.turns.to_json(),
            "ground_truth_words": self.truth_words.to_json(),
            "samples": [
                {
                    "id": question.id,
                    "label": label(question),
                    "text": question.text if show_harmful or not is_hidden(question) else None,
                    # Sets of attacks write the start of a harmful answer there.
                    "ground_truth": question.ground_truth
                    if show_harmful or not is_hidden(question)
                    else None,
                }
                for question in self.samples
            ],
        }


def label(question: Question) -> str:
    """Return what the ground truth says about the question.

    It is ``none`` if the task has no labels, or the question has no ground truth.

    Raises:
        DataError: The ground truth has no label where its task needs one.
    """
    kind = task_named(question.task).kind
    if not question.referenced:
        return "none"
    if kind == "safety":
        return "harmful" if is_harmful(question) else "harmless"
    if kind == "ambiguity":
        return "ambiguous" if is_ambiguous(question) else "clear"
    return "none"


def is_hidden(question: Question) -> bool:
    """Whether a question is labelled as a harmful request."""
    return label(question) == "harmful"


def inspect_rows(path: Path, *, samples: int = 3, seed: int = 0) -> dict[str, Summary]:
    """Return a summary of a file's rows for each task, in order of appearance.

    Args:
        path: A file that `read_rows` reads.
        samples: So many questions of each task are kept.
        seed: Seed of the sample.

    Raises:
        DataError: As for `read_rows`.
    """
    return summarise(read_rows(path), samples=samples, seed=seed)


def summarise(questions: Iterable[Question], *, samples: int, seed: int) -> dict[str, Summary]:
    """Return a summary of questions for each task; see `inspect_rows`."""
    rng = np.random.default_rng(seed)
    found: dict[str, Summary] = {}
    for question in questions:
        summary = found.setdefault(question.task, Summary())
        summary.add(question)
        # Reservoir sampling: each of the rows so far is kept with the same chance.
        if len(summary.samples) < samples:
            summary.samples.append(question)
        elif (place := int(rng.integers(summary.rows))) < samples:
            summary.samples[place] = question
    return found
