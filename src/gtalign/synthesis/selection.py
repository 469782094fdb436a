"""Which candidates are kept, and why the others are not."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from gtalign.game.form import TOLERANCE
from gtalign.synthesis.settings import SelectionSettings

KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Entry:
    """The facts about a candidate that selection needs.

    Args:
        number: Number of the candidate among those of its question.
        welfare: W; None if it is unknown.
        quality: Quality of the answer; None if it is unknown.
        action: The LLM's action that the analysis chooses; None if it chooses none.
        problem: Why there is no score: it was not written, or not judged.
        place: Where its line begins in the file of candidates, in bytes.
    """

    number: int
    welfare: float | None
    quality: float | None
    action: str | None
    problem: str | None = None
    place: int = 0


Fates = dict[tuple[str, int], str]
"""The fate of each candidate, by question and number: `KEPT`, or why it was dropped."""


def select(entries: Mapping[str, Sequence[Entry]], settings: SelectionSettings) -> Fates:
    """Keep at most one candidate of each question.

    That is the one with the highest W among those that may be kept; of equals, the first. If more
    than the allowed share of the kept ones choose one action, questions change to their best
    candidate with another action, beginning with those that lose least W. If that is not enough,
    the candidates of that action with the lowest W are dropped.

    Args:
        entries: The candidates of each question.
        settings: Which candidates may be kept.
    """
    fates: Fates = {}
    eligible: dict[str, list[Entry]] = {}
    for question, candidates in entries.items():
        for entry in candidates:
            problem = _refused(entry, settings)
            fates[question, entry.number] = problem or "another of its question is better"
            if not problem:
                eligible.setdefault(question, []).append(entry)
    picks = {question: max(found, key=_worth) for question, found in eligible.items()}
    first = dict(picks)
    _exchange(picks, eligible, settings.action_share)
    for question, entry in first.items():
        if picks[question] is not entry:
            fates[question, entry.number] = f"too many choose {entry.action}"
    for question, entry in _surplus(picks, settings.action_share):
        fates[question, entry.number] = f"too many choose {entry.action}"
    for question, entry in picks.items():
        fates[question, entry.number] = KEPT
    return fates


def _worth(entry: Entry) -> tuple[float, int]:
    assert entry.welfare is not None
    return entry.welfare, -entry.number


def _refused(entry: Entry, settings: SelectionSettings) -> str:
    if entry.problem is not None:
        return entry.problem
    if entry.welfare is None or entry.quality is None:
        return "no score"
    if entry.action is None:
        return "the analysis chooses no action"
    if entry.quality < settings.min_quality - TOLERANCE:
        return "quality below the minimum"
    if entry.welfare < settings.min_welfare - TOLERANCE:
        return "welfare below the minimum"
    return ""


def _exchange(
    picks: dict[str, Entry], eligible: Mapping[str, Sequence[Entry]], share: float
) -> None:
    """Replace picks of actions above the cap by the next best pick of another, in place."""
    cap = floor(share * len(picks) + TOLERANCE)
    counts = Counter(entry.action for entry in picks.values())
    offers = []
    for question, entry in picks.items():
        if counts[entry.action] <= cap:
            continue
        for other in eligible[question]:
            if other.action != entry.action:
                loss = _worth(entry)[0] - _worth(other)[0]
                offers.append((loss, question, other.number, other))
    for _, question, _, other in sorted(offers, key=lambda offer: offer[:3]):
        entry = picks[question]
        room = counts[other.action] < cap
        if entry.action != other.action and counts[entry.action] > cap and room:
            counts[entry.action] -= 1
            counts[other.action] += 1
            picks[question] = other


def _surplus(picks: dict[str, Entry], share: float) -> Iterator[tuple[str, Entry]]:
    """Remove and yield the worst picks of the most frequent action until it is within the cap."""
    order: dict[str | None, list[str]] = {}
    for question in sorted(picks, key=lambda name: (_worth(picks[name]), name), reverse=True):
        order.setdefault(picks[question].action, []).append(question)
    while picks:
        action = max(order, key=lambda name: len(order[name]))
        if len(order[action]) <= share * len(picks) + TOLERANCE:
            return
        question = order[action].pop()
        yield question, picks.pop(question)
