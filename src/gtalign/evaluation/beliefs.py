"""Are stated beliefs right? Brier score and reliability, against the action that users really took.

A belief is right on average if, of the questions with 0.7, seven of ten are what it says. The true
action is the lab's (``extra.user_action``), or follows from a data set's label: an ambiguous
question is a vague one, a clear one a detailed one. The lab also knows the right belief of each
question (``extra.right_belief``), and so the best score that anybody could reach.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain.belief import slack
from gtalign.drawing import COLOURS, Markup, Series, line_chart
from gtalign.errors import DataError
from gtalign.evaluation.files import read_files, transcript_files
from gtalign.evaluation.statistics import Interval, codes, mean_ci
from gtalign.tasks import task_named
from gtalign.tasks.ambiguity import AMBIGUITY, is_ambiguous
from gtalign.transcripts.transcript import Transcript

BINS: Final = 10
"""Bins of equal width into which stated probabilities are sorted."""

RESAMPLES: Final = 1000
"""Bootstrap resamples of the sources behind the intervals of a decomposition."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose stated probabilities lie close to each other.

    Args:
        low: Least probability of the bin.
        high: Greatest.
        stated: Mean of the stated probabilities.
        observed: Share of the questions of which it was true, with its interval.
    """

    low: float
    high: float
    stated: float
    observed: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """How good the beliefs of one model are.

    Args:
        model: Name of the model.
        action: The action of the user whose probability is binned.
        brier: Sum over the user's actions of the squared difference between the stated
            probability and 1 or 0, from 0 to 2, averaged (Brier, 1950).
        base: Brier score of a belief that always states how often each action occurs here.
        right: Share of the beliefs whose likeliest action is the true one; a tie counts in part.
        gap: Mean difference between stated and observed probability of `action`, over the bins,
            weighted by their sizes (the expected calibration error).
        reliability: Squared difference between the two, in the same way (Murphy, 1973).
        resolution: Squared difference between what was observed in the bins and overall.
        uncertainty: Share of `action` times that of the others. Reliability less resolution plus
            uncertainty is the score of `action` with each probability replaced by its bin's mean.
        bins: The bins that are not empty.
        unstated: Answers with a true action and without a belief; they count nowhere else.
        best: Brier score of the right beliefs on the same questions; None where they are unknown.
        off: Mean distance of the stated from the right probability of `action`; None likewise.
    """

    model: str
    action: str
    brier: Interval
    base: float
    right: Interval
    gap: Interval
    reliability: Interval
    resolution: Interval
    uncertainty: float
    bins: tuple[Bin, ...]
    unstated: int
    best: Interval | None = None
    off: Interval | None = None

    @property
    def skill(self) -> float | None:
        """Share of the base score that the beliefs save; None where always the same is true."""
        assert self.brier.value is not None
        return 1 - self.brier.value / self.base if self.base > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return an object with all numbers."""
        return {**asdict(self), "skill": self.skill}


def true_action(transcript: Transcript) -> str | None:
    """The action that the user really took; None where nobody knows.

    Raises:
        DataError: The label of an ambiguity task has an unknown form.
    """
    known = transcript.extra.get("user_action")
    if isinstance(known, str):
        return known
    if task_named(transcript.task) is not AMBIGUITY or not transcript.ground_truth:
        return None
    return "VQ" if is_ambiguous(transcript.question) else "DQ"


def belief_of(transcript: Transcript) -> Mapping[str, float] | None:
    """The belief of an answer: of its chain, or the one that was recorded with it.

    Raises:
        DataError: What was recorded as one is no object; names the answer.
    """
    stated = None if transcript.chain is None else transcript.chain.get("belief")
    if isinstance(stated, Mapping):
        return stated
    return _recorded(transcript, "belief")


def _recorded(transcript: Transcript, name: str) -> Mapping[str, Any] | None:
    """The belief in a fact of an answer; None for none."""
    found = transcript.extra.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise DataError(
            f"answer {transcript.id!r}: extra.{name} has to be an object with a share for each"
            f" action of the user, not {str(found)[:40]!r}"
        )
    return found


def calibrations(
    transcripts: Sequence[Transcript], action: str | None = None
) -> tuple[Calibration, ...]:
    """How good the beliefs of each model are, models in order of appearance.

    Args:
        transcripts: The answers; those without a known true action do not count.
        action: The action of the user to bin; by default the last of the first belief.

    Raises:
        DataError: No answer has both a belief and a true action; a belief is not about the true
            action or is no belief; or no belief is about `action`.
    """
    by_model: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        if true_action(transcript) is not None:
            by_model.setdefault(transcript.model, []).append(transcript)
    found = [c for model, own in by_model.items() if (c := _of_model(model, own, action))]
    if not found:
        raise DataError(
            "no answer has both a belief and a known action of the user: chains have to state"
            " beliefs (reward.belief = true), and questions need extra.user_action or the label of"
            " an ambiguity task"
        )
    return tuple(found)


def calibrate_files(paths: Iterable[Path], action: str | None = None) -> tuple[Calibration, ...]:
    """How good the beliefs in some files are; see `calibrations`.

    Args:
        paths: Files of answers; a folder stands for the runs in it.
        action: As for `calibrations`.

    Raises:
        DataError: A file is wrong or has no transcripts; or as for `calibrations`.
    """
    by_file = read_files(transcript_files(paths))
    return calibrations([answer for held in by_file.values() for answer in held], action)


def chart(found: Sequence[Calibration]) -> Markup:
    """The reliability plot: of each bin, what was observed against what was stated."""
    series = [
        Series(
            one.model,
            COLOURS[number % len(COLOURS)],
            [(b.stated, b.observed.value or 0.0) for b in one.bins],
        )
        for number, one in enumerate(found)
    ]
    action = found[0].action
    title = f"Is the stated probability of {action} right?"
    return line_chart(
        title,
        series,
        f"stated probability of {action}",
        f"share that was {action}",
        dots=True,
        diagonal=True,
        within=(0.0, 1.0),
        shown=(0.0, 1.0),
    )


def _of_model(model: str, held: Sequence[Transcript], action: str | None) -> Calibration | None:
    pairs = [(t, belief) for t in held if (belief := belief_of(t)) is not None]
    if not pairs:
        return None
    names = tuple(pairs[0][1])
    picked = names[-1] if action is None else action
    if picked not in names:
        raise DataError(f"the beliefs are about {', '.join(names)}, not {picked!r}")
    stated_Nm = np.array([_shares(t, "the belief", belief, names) for t, belief in pairs])
    true_N = np.array([_place(t, names) for t, _ in pairs])
    true_Nm = np.eye(len(names))[true_N]
    clusters = [t.cluster for t, _ in pairs]
    likeliest_Nm = stated_Nm >= stated_Nm.max(axis=1, keepdims=True) - 1e-9
    column = names.index(picked)
    right = [(t, belief) for t, _ in pairs if (belief := _recorded(t, "right_belief")) is not None]
    right_Nm = [_shares(t, "extra.right_belief", belief, names) for t, belief in right]
    best = off = None
    if len(right) == len(pairs):
        best_Nm = np.array(right_Nm)
        best = mean_ci(((best_Nm - true_Nm) ** 2).sum(axis=1), clusters)
        off = mean_ci(np.abs(stated_Nm - best_Nm)[:, column], clusters)
    share_m = true_Nm.mean(axis=0)
    bins = _bins(stated_Nm[:, column], true_Nm[:, column], clusters)
    gap, reliability, resolution = _parts(stated_Nm[:, column], true_Nm[:, column], clusters)
    share = float(share_m[column])
    return Calibration(
        model=model,
        action=picked,
        brier=mean_ci(((stated_Nm - true_Nm) ** 2).sum(axis=1), clusters),
        base=float(((share_m - true_Nm) ** 2).sum(axis=1).mean()),
        right=mean_ci((likeliest_Nm * true_Nm).sum(axis=1) / likeliest_Nm.sum(axis=1), clusters),
        gap=gap,
        reliability=reliability,
        resolution=resolution,
        uncertainty=share * (1 - share),
        bins=bins,
        unstated=len(held) - len(pairs),
        best=best,
        off=off,
    )


def _shares(
    transcript: Transcript, what: str, belief: Mapping[str, Any], names: tuple[str, ...]
) -> list[float]:
    """The shares of a belief in the order of the names, scaled to add up to 1."""
    shares = [belief.get(name) for name in names]
    numbers = [s for s in shares if isinstance(s, int | float) and not isinstance(s, bool)]
    fits = len(numbers) == len(belief) == len(names) and min(numbers) >= 0
    if not fits or not abs(sum(numbers) - 1) <= slack(len(names)):
        raise DataError(
            f"answer {transcript.id!r}: {what} has to give each of {', '.join(names)} a share, and"
            f" the shares have to add up to 1; it is {str(dict(belief))[:80]}"
        )
    return [number / sum(numbers) for number in numbers]


def _place(transcript: Transcript, names: tuple[str, ...]) -> int:
    true = true_action(transcript)
    if true not in names:
        raise DataError(
            f"answer {transcript.id!r}: the user's action is {true!r}, and the belief is about"
            f" {', '.join(names)}"
        )
    return names.index(true)


def _share(found: Interval) -> Interval:
    """The interval of a share, which lies between 0 and 1."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _places(stated_N: NDArray[np.float64]) -> NDArray[np.intp]:
    places: NDArray[np.intp] = np.minimum((stated_N * BINS + 1e-9).astype(np.intp), BINS - 1)
    return places


def _parts(
    stated_N: NDArray[np.float64], true_N: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[Interval, Interval, Interval]:
    """Gap, reliability and resolution, with intervals by the bootstrap over sources."""
    place_N = _places(stated_N)
    code_N, count = codes(clusters)
    rng = np.random.default_rng(0)

    def parts(weight_N: NDArray[np.float64]) -> tuple[float, float, float]:
        size, told, seen = (
            np.bincount(place_N, weight_N * of_N, BINS)
            for of_N in (np.ones_like(true_N), stated_N, true_N)
        )
        held, total = size > 0, size.sum()
        share, gaps = size[held] / total, (told - seen)[held] / size[held]
        off = seen[held] / size[held] - seen.sum() / total
        return float(share @ np.abs(gaps)), float(share @ gaps**2), float(share @ off**2)

    values = parts(np.ones_like(true_N))
    ends: list[tuple[float | None, float | None]] = [(None, None)] * 3
    if count > 1:
        drawn = (
            np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(RESAMPLES)
        )
        again = np.array([parts(often_G[code_N].astype(np.float64)) for often_G in drawn])
        low, high = np.quantile(again, (0.025, 0.975), axis=0)
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    gap, reliability, resolution = (
        Interval(value, *reach, len(true_N), count)
        for value, reach in zip(values, ends, strict=True)
    )
    return gap, reliability, resolution


def _bins(
    stated_N: NDArray[np.float64], true_N: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[Bin, ...]:
    place_N = _places(stated_N)
    found = []
    for place in range(BINS):
        rows = np.flatnonzero(place_N == place).tolist()
        if rows:
            observed = _share(mean_ci(true_N[rows], [clusters[row] for row in rows]))
            edges = place / BINS, (place + 1) / BINS
            found.append(Bin(*edges, float(stated_N[rows].mean()), observed))
    return tuple(found)
