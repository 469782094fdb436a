"""Arms of the lab at several degrees of conflict, by the true payoffs of their episodes.

The files are read one by one, and only a few numbers of each answer are kept. An answer that cannot
be read as the chain that was asked for has 0 of everything. *tuned* is no model of its own: for
each seed it is the weighted sum of U and L with the highest W on validation questions
(``validation.jsonl`` beside the transcripts).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from gtalign.errors import DataError
from gtalign.evaluation.metrics import right_action
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.variation import Sums, Variation, vary, vary_difference
from gtalign.game import USER_LLM, Bimatrix
from gtalign.transcripts import Transcript, read_transcripts

MEASURES: Final[Mapping[str, str]] = {
    "welfare": "W",
    "least": "min(U, L)",
    "user": "U",
    "llm": "L",
    "total": "U + L",
    "frontier": "on the frontier",
    "published": "published W",
    "format": "format",
    "right_action": "right action",
}
"""The measures of an answer, with their labels."""

COMPARED: Final = ("welfare", "least")
REFERENCE: Final = "mutual"
START: Final = "sft"
"""The arm that the others start from; U and L correlate over its answers."""

WEIGHTED: Final = ("llm", "weight-25", "linear", "weight-75", "user")
TUNED: Final = "tuned"
STRONG: Final = 0.75
"""The main comparison is over all degrees of conflict from here on."""

Key = tuple[float, str, int]
"""Conflict, arm and seed."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the best action of each question gives a rule that knows the true payoffs.

    Attributes:
        welfare: Mean W of the best action for U, for L, for their sum and for W.
        least: Mean of the lesser side, likewise.
        moved: Share of the questions in which W and the sum choose different actions.
    """

    welfare: Mapping[str, float]
    least: Mapping[str, float]
    moved: float


@dataclass(frozen=True, slots=True)
class Point:
    """One degree of conflict.

    Attributes:
        conflict: The degree; None for all of `STRONG` or more, together.
        arms: Each measure of each arm; none for all together.
        differences: The reference less each other arm, in each measure of `COMPARED`.
        correlation: Of U and L over the answers of the common start; None where one is constant.
        answers: How many these are.
        ceiling: What could be reached.
    """

    conflict: float | None
    arms: Mapping[str, Mapping[str, Variation]]
    differences: Mapping[str, Mapping[str, Variation]]
    correlation: float | None = None
    answers: int = 0
    ceiling: Ceiling | None = None


class _Answers:
    """The numbers of all answers of some files."""

    def __init__(self, files: Iterable[Path], split: str) -> None:
        self.rows: dict[Key, list[Floats]] = {}
        self.clusters: dict[Key, list[int]] = {}
        self.truths: dict[float, dict[str, Floats]] = {}
        self._codes: dict[str, int] = {}
        for file in files:
            for transcript in read_transcripts(file):
                if transcript.split == split and transcript.decision is None:
                    self._add(transcript)

    def _add(self, transcript: Transcript) -> None:
        extra = transcript.extra
        conflict = float(extra.get("conflict", 0.0))
        key = conflict, transcript.model, transcript.seed or 0
        code = self._codes.setdefault(transcript.cluster, len(self._codes))
        self.rows.setdefault(key, []).append(_numbers(transcript))
        self.clusters.setdefault(key, []).append(code)
        if "true_payoff" in extra and extra.get("user_action") in USER_LLM.user_actions:
            row = USER_LLM.user_actions.index(extra["user_action"])
            truth = Bimatrix.from_json(extra["true_payoff"]).payoffs[row]
            self.truths.setdefault(conflict, {}).setdefault(transcript.id, (truth + 5) / 10)

    def copy(self, source: Key, name: str) -> None:
        """Let another arm have the answers of an arm."""
        target = source[0], name, source[2]
        self.rows[target], self.clusters[target] = self.rows[source], self.clusters[source]

    def arms(self, conflict: float) -> list[str]:
        return list(dict.fromkeys(name for c, name, _ in self.rows if c == conflict))

    def mean(self, key: Key, measure: str) -> float | None:
        """The mean of what is known of a measure; None where nothing is."""
        column = np.stack(self.rows[key])[:, list(MEASURES).index(measure)]
        known = column[~np.isnan(column)]
        return float(known.mean()) if len(known) else None

    def sums(self, conflict: float, arm: str, seeds: Sequence[int], measure: str) -> Sums:
        """The sums of a measure by cluster and seed."""
        top, bottom = np.zeros((2, len(self._codes), len(seeds)))
        place = list(MEASURES).index(measure)
        for column, seed in enumerate(seeds):
            key = conflict, arm, seed
            if key not in self.rows:
                continue
            values = np.stack(self.rows[key])[:, place]
            known = ~np.isnan(values)
            code = np.array(self.clusters[key])[known]
            top[:, column] = np.bincount(code, values[known], minlength=len(top))
            bottom[:, column] = np.bincount(code, minlength=len(top))
        return top, bottom


def _numbers(transcript: Transcript) -> Floats:
    """The measures of an answer; not-a-number where unknown."""
    unread = transcript.chain is None and not transcript.plain
    details = transcript.verdicts[0].details if transcript.verdicts else {}

    def known(value: float | None) -> float:
        return 0.0 if unread else np.nan if value is None else float(value)

    user = known(details.get("episode_user"))
    llm = known(details.get("episode_llm"))
    published = transcript.answer_mutual_welfare if transcript.plain else transcript.mutual_welfare
    found: dict[str, float] = {
        "welfare": float(np.sqrt(user * llm)),
        "least": min(user, llm) if user == user and llm == llm else np.nan,
        "user": user,
        "llm": llm,
        "total": user + llm,
        "frontier": known(details.get("on_frontier")),
        "published": np.nan if published is None else published,
        "format": np.nan if transcript.plain else float(not unread),
        "right_action": np.nan if (right := right_action(transcript)) is None else right,
    }
    return np.array([found[name] for name in MEASURES])


def measure_dial(files: Sequence[Path]) -> list[Point]:
    """Measure the arms at each degree of conflict, and at all strong ones together.

    Args:
        files: Transcripts of the lab's arms, trained with an ``objective``.

    Raises:
        DataError: A file is wrong, or no answer has the true payoffs of its episode.
    """
    answers = _Answers(files, "test")
    place = list(MEASURES).index("user")
    if not any(row[place] > 0 for rows in answers.rows.values() for row in rows):
        raise DataError(
            "no answer has the true payoffs of its episode; the judge of a run of"
            " `gtalign lab --config conflict` states them"
        )
    _tune(answers, files)
    conflicts = sorted({conflict for conflict, _, _ in answers.rows})
    seeds = sorted({seed for _, _, seed in answers.rows})
    points = [_point(answers, conflict, seeds) for conflict in conflicts]
    strong = [conflict for conflict in conflicts if conflict >= STRONG]
    shared = [a for a in answers.arms(strong[0])] if strong else []
    shared = [arm for arm in shared if all(arm in answers.arms(c) for c in strong)]
    if len(strong) > 1 and REFERENCE in shared:
        points.append(Point(None, {}, _differences(answers, strong, shared, seeds)))
    return points


def _tune(answers: _Answers, files: Sequence[Path]) -> None:
    """Add the tuned arm: for each seed the weighted sum with the highest W in validation."""
    beside = (file.with_name("validation.jsonl") for file in files)
    valid = _Answers([file for file in beside if file.exists()], "valid")
    best: dict[tuple[float, int], tuple[float, str]] = {}
    for conflict, arm, seed in valid.rows:
        if arm in WEIGHTED and (conflict, arm, seed) in answers.rows:
            welfare = valid.mean((conflict, arm, seed), "welfare")
            if welfare is not None:
                found = welfare, arm
                best[conflict, seed] = max(best.get((conflict, seed), found), found)
    for (conflict, seed), (_, arm) in best.items():
        if all(name in answers.arms(conflict) for name in WEIGHTED):
            answers.copy((conflict, arm, seed), TUNED)


def _point(answers: _Answers, conflict: float, seeds: Sequence[int]) -> Point:
    arms = answers.arms(conflict)
    of_start = [k for k in answers.rows if k[0] == conflict and k[1] == START]
    of_start = of_start or [k for k in answers.rows if k[0] == conflict and k[1] != TUNED]
    names = list(MEASURES)
    rows = np.concatenate([np.stack(answers.rows[key]) for key in of_start])
    user, llm = rows[:, names.index("user")], rows[:, names.index("llm")]
    known = ~np.isnan(user + llm)
    varied = known.sum() > 1 and np.ptp(user[known]) > 0 and np.ptp(llm[known]) > 0
    return Point(
        conflict,
        {
            arm: {name: vary(answers.sums(conflict, arm, seeds, name), seeds) for name in MEASURES}
            for arm in arms
        },
        _differences(answers, [conflict], arms, seeds),
        float(np.corrcoef(user[known], llm[known])[0, 1]) if varied else None,
        len(rows),
        _ceiling(answers.truths.get(conflict, {})),
    )


def _differences(
    answers: _Answers, conflicts: Sequence[float], arms: Sequence[str], seeds: Sequence[int]
) -> dict[str, dict[str, Variation]]:
    """The reference less each other arm; each seed at each degree is a training run."""
    if REFERENCE not in arms:
        return {}

    def joined(arm: str, name: str) -> Sums:
        parts = [answers.sums(conflict, arm, seeds, name) for conflict in conflicts]
        tops, bottoms = zip(*parts, strict=True)
        return np.concatenate(tops, axis=1), np.concatenate(bottoms, axis=1)

    runs = list(range(len(conflicts) * len(seeds)))
    return {
        arm: {
            name: vary_difference(joined(REFERENCE, name), joined(arm, name), runs)
            for name in COMPARED
        }
        for arm in arms
        if arm != REFERENCE
    }


def _ceiling(truths: Mapping[str, Floats]) -> Ceiling | None:
    if not truths:
        return None
    user, llm = np.moveaxis(np.stack(list(truths.values())), -1, 0)
    welfare, least = np.sqrt(user * llm), np.minimum(user, llm)
    ranked = {"user": user, "llm": llm, "total": user + llm, "welfare": welfare}
    chosen = {name: values.argmax(axis=1) for name, values in ranked.items()}
    rows = np.arange(len(user))
    return Ceiling(
        {name: float(welfare[rows, best].mean()) for name, best in chosen.items()},
        {name: float(least[rows, best].mean()) for name, best in chosen.items()},
        float((chosen["total"] != chosen["welfare"]).mean()),
    )


def point_json(point: Point) -> dict[str, Any]:
    """One degree of conflict as plain values."""
    ceiling = point.ceiling
    found: dict[str, Any] = {"conflict": point.conflict, "correlation": point.correlation}
    if ceiling is not None:
        found |= {f"ceiling_{name}": value for name, value in ceiling.welfare.items()}
        found |= {f"ceiling_min_{name}": value for name, value in ceiling.least.items()}
        found["ceiling_moved"] = ceiling.moved
    return found
