"""Models in the plane of both welfares: Pareto measures with paired, clustered intervals.

Every model has one point a question, the mean of its answers to it, for each training run. Only
questions that every model answered count; an answer without a score is left out of its mean, and a
question with none is left out for all models. `gtalign.evaluation.pareto` defines the measures.

Intervals of the measures by question, which are means, are those of
`gtalign.evaluation.variation`; `gtalign.evaluation.point_sets` has those of sets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation import pareto
from gtalign.evaluation.point_sets import SETS, CurvePoint, PointSets
from gtalign.evaluation.statistics import Floats, codes
from gtalign.evaluation.variation import Variation, vary, vary_difference

EPSILON: Final = 0.01
"""Default of what may be missing to a frontier, in units of welfare."""

PREFERENCES: Final = 101
"""Linear preferences: weights of the user from 0 to 1, evenly spaced."""

BY_QUESTION: Final = ("undominated", "regret", "preference_regret")
MEASURES: Final = (*BY_QUESTION, *SETS)
"""The measures of a model: those by question, then those of its set of points."""

MEANINGS: Final[Mapping[str, str]] = {
    "undominated": "Share of questions on which no other model is better for both sides by more "
    "than epsilon.",
    "regret": "What both sides could gain at once by another model's answer, mean over questions.",
    "preference_regret": "Mean loss to the best model of each question, over linear preferences "
    "w U + (1 - w) L with w from 0 to 1.",
    "hypervolume": "Area above (0, 0) that the model's points dominate, all questions together.",
    "covered": "Share of the joint frontier of all points that the model's points reach within "
    "epsilon.",
    "epsilon": "Least number that, added to all points of the model, makes them reach the joint "
    "frontier.",
}


@dataclass(frozen=True, slots=True)
class Front:
    """One model.

    Attributes:
        model: Its name.
        measures: Each of `MEASURES`.
        user_given: The best U with L at least t, for each of `LEVELS`.
        llm_given: The best L with U at least t.
    """

    model: str
    measures: Mapping[str, Variation]
    user_given: tuple[CurvePoint, ...]
    llm_given: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Duel:
    """The reference against one other model.

    Attributes:
        model: The other model.
        wins: Questions on which the reference dominates it, over all training runs.
        losses: Questions on which it dominates the reference.
        neither: Questions on which the points are equal, or each is better for one side.
        net: Share of wins less share of losses.
        differences: Reference less model in each of `MEASURES`.
    """

    model: str
    wins: int
    losses: int
    neither: int
    net: Variation
    differences: Mapping[str, Variation]


@dataclass(frozen=True, slots=True)
class Fronts:
    """The Pareto measures of several models.

    Attributes:
        reference: The model that the others are compared with.
        epsilon: What may be missing to a frontier.
        questions: Questions that every model answered with a score.
        left_out: Questions that are left out, since some model has no score.
        clusters: Clusters of the questions.
        seeds: Training runs; empty for one.
        fronts: The models.
        duels: The reference against each other model.
        frontier: The joint frontier of all points of all seeds.
    """

    reference: str
    epsilon: float
    questions: int
    left_out: int
    clusters: int
    seeds: tuple[int, ...]
    fronts: tuple[Front, ...]
    duels: tuple[Duel, ...]
    frontier: tuple[tuple[float, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the measures as one JSON object."""
        return asdict(self)


def measure_fronts(
    points_sqm2: Floats,
    models: Sequence[str],
    clusters: Sequence[object],
    *,
    rng: np.random.Generator,
    reference: str | None = None,
    seeds: Sequence[int] = (),
    epsilon: float = EPSILON,
    preferences: int = PREFERENCES,
    count: int = 1000,
) -> Fronts:
    """Measure models on the same questions.

    Args:
        points_sqm2: User and LLM welfare of each training run, question and model, shape
            [S, Q, M, 2]; not-a-number where unknown. S is 1 for one run, or for means over runs.
        models: Their M names.
        clusters: Cluster of each question, Q labels.
        rng: Source of the resamples.
        reference: The model that the others are compared with; by default the last one.
        seeds: Names of the S training runs; empty for one.
        epsilon: What may be missing to a frontier, in units of welfare.
        preferences: Number of linear preferences, from all for the LLM to all for the user.
        count: Number of resamples.

    Raises:
        DataError: The shapes do not fit, a number is infinite, there is no model, or no question
            is known of all.
    """
    points = np.asarray(points_sqm2, dtype=np.float64)
    if points.ndim != 4 or points.shape[1:3] != (len(clusters), len(models)) or not len(models):
        raise DataError(
            f"points of the shape [runs, {len(clusters)} questions, {len(models)} models, 2] are "
            f"needed, not {list(points.shape)}"
        )
    runs = tuple(seeds) or (0,)
    if len(runs) != len(points):
        raise DataError(f"{len(points)} training runs need as many names, not {len(runs)}")
    chosen = models[-1] if reference is None else reference
    if chosen not in models:
        raise DataError(f"no points of model {chosen!r}; there are {', '.join(models)}")
    known = np.asarray(~np.isnan(points).any(axis=(0, 2, 3)), np.bool_)
    if not known.any():
        raise DataError("no question has a known welfare of both sides for every model")
    points = points[:, known]
    code, groups = codes([c for c, held in zip(clusters, known, strict=True) if held])
    place = {model: number for number, model in enumerate(models)}
    sums = _sums_by_question(points, code, groups, epsilon, preferences)
    sets = PointSets(points, code, groups, epsilon)
    sets.resample(rng, count)
    others = [model for model in models if model != chosen]
    return Fronts(
        reference=chosen,
        epsilon=epsilon,
        questions=int(known.sum()),
        left_out=int((~known).sum()),
        clusters=groups,
        seeds=tuple(seeds),
        fronts=tuple(
            Front(
                model=model,
                measures=_measures(sums, sets, place[model], runs),
                user_given=sets.curve(place[model], "user"),
                llm_given=sets.curve(place[model], "llm"),
            )
            for model in models
        ),
        duels=tuple(_duel(points, sums, sets, place, chosen, model, runs) for model in others),
        frontier=tuple(
            (float(user), float(llm))
            for user, llm in pareto.joint_frontier([points.reshape(-1, 2)])
        ),
    )


class _Tally:
    """Sums of a value of every question and model, by cluster and training run."""

    def __init__(self, values_sqm: Floats, code: NDArray[np.intp], groups: int) -> None:
        runs, _, models = values_sqm.shape
        self.counts_g = np.bincount(code, minlength=groups).astype(np.float64)
        self.runs = runs
        self._tops_mgs = np.stack(
            [
                np.stack(
                    [
                        np.bincount(code, weights=values_sqm[run, :, model], minlength=groups)
                        for run in range(runs)
                    ],
                    axis=1,
                )
                for model in range(models)
            ]
        )

    def of(self, model: int) -> tuple[Floats, Floats]:
        """Numerators and denominators of a model's mean, two arrays of shape [G, S]."""
        return self._tops_mgs[model], np.repeat(self.counts_g[:, None], self.runs, axis=1)


def _sums_by_question(
    points_sqm2: Floats, code: NDArray[np.intp], groups: int, epsilon: float, preferences: int
) -> dict[str, _Tally]:
    weights = np.linspace(0, 1, preferences)
    computed: dict[str, Callable[[Floats], Floats]] = {
        "undominated": lambda p: pareto.undominated_by_question(p, epsilon).astype(np.float64),
        "regret": pareto.regret,
        "preference_regret": lambda p: pareto.preference_regret(p, weights),
    }
    return {
        name: _Tally(np.stack([measure(run) for run in points_sqm2]), code, groups)
        for name, measure in computed.items()
    }


def _measures(
    sums: Mapping[str, _Tally], sets: PointSets, model: int, runs: Sequence[int]
) -> dict[str, Variation]:
    by_question = {
        name: vary(tally.of(model), runs).within(0.0, 1.0) for name, tally in sums.items()
    }
    return by_question | {
        name: sets.value(name, model, runs).within(0.0, np.inf if name == "epsilon" else 1.0)
        for name in SETS
    }


def _duel(
    points_sqm2: Floats,
    sums: Mapping[str, _Tally],
    sets: PointSets,
    place: Mapping[str, int],
    reference: str,
    model: str,
    runs: Sequence[int],
) -> Duel:
    one, other = place[reference], place[model]
    beats = np.stack([pareto.dominated(run[:, [one, other]]) for run in points_sqm2])
    wins_sq, losses_sq = beats[:, :, 0, 1], beats[:, :, 1, 0]
    net = _Tally((wins_sq.astype(np.float64) - losses_sq)[:, :, None], sets.code, sets.groups)
    differences = {
        name: vary_difference(tally.of(one), tally.of(other), runs) for name, tally in sums.items()
    }
    differences |= {name: sets.difference(name, one, other, runs) for name in SETS}
    return Duel(
        model=model,
        wins=int(wins_sq.sum()),
        losses=int(losses_sq.sum()),
        neither=int(wins_sq.size - wins_sq.sum() - losses_sq.sum()),
        net=vary(net.of(0), runs).within(-1.0, 1.0),
        differences=differences,
    )
