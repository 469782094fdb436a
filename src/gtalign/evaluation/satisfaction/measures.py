"""Satisfaction by model, preferences, agreement of annotators, and what predicts satisfaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation.crossed import Crossed, Mask, crossed
from gtalign.evaluation.satisfaction.prediction import Predictor, predictors
from gtalign.evaluation.satisfaction.rated import SCALE, Rated
from gtalign.evaluation.statistics import Floats
from gtalign.judges import krippendorff_alpha
from gtalign.judges.agreement import Level

METHOD: Final = "mutual"
"""The default reference, if there are answers of it."""

LEVELS: Final[tuple[Level, ...]] = ("ordinal", "nominal")


@dataclass(frozen=True, slots=True)
class ModelSatisfaction:
    """How satisfied annotators are with one model.

    Attributes:
        model: Its name.
        ratings: Number of ratings of its answers.
        mean: Their mean, 1 to 5.
        difference: Mean of the reference minus this mean; None for the reference itself.
    """

    model: str
    ratings: int
    mean: Crossed
    difference: Crossed | None


@dataclass(frozen=True, slots=True)
class PairwisePreferences:
    """The preferences between two models.

    Attributes:
        one: A model.
        other: Another one.
        wins: How often the first one was preferred.
        losses: How often the other was.
        ties: How often neither was.
        share: Share of the choices that the first one won, ties counted half.
    """

    one: str
    other: str
    wins: int
    losses: int
    ties: int
    share: Crossed


@dataclass(frozen=True, slots=True)
class AnnotatorAgreement:
    """Krippendorff's alpha of what several annotators said.

    Attributes:
        what: ``ratings`` or ``preferences``.
        level: What a difference means, as `krippendorff_alpha` takes it.
        units: Answers or pairs that at least two annotators judged.
        alpha: Its value, at most 1, for these annotators; its interval is over questions alone.
    """

    what: str
    level: str
    units: int
    alpha: Crossed


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one annotator did.

    Attributes:
        name: The name.
        ratings: Number of ratings.
        mean: Their mean; None without any.
        deviation: Their standard deviation; 0 if all are the same.
        preferences: Number of choices between two answers.
        first: Share of the decided ones that went to the answer that stood first; None without any.
    """

    name: str
    ratings: int
    mean: float | None
    deviation: float | None
    preferences: int
    first: float | None


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """What the annotators of a study show.

    Attributes:
        simulated: Whether they are simulated: then nothing of this is about people.
        reference: The model that the others are compared with.
        models: Each model.
        duels: Every two models between which an annotator chose.
        agreement: How far annotators agree.
        predictors: W, U, L and the factors as predictors of satisfaction.
        annotators: Who they are.
    """

    simulated: bool
    reference: str
    models: Sequence[ModelSatisfaction]
    duels: Sequence[PairwisePreferences]
    agreement: Sequence[AnnotatorAgreement]
    predictors: Sequence[Predictor]
    annotators: Sequence[Annotator]


def measure_satisfaction(rated: Rated, reference: str | None = None) -> Satisfaction:
    """Measure what annotators said.

    Args:
        rated: The answers, and what annotators of one kind said of them.
        reference: The model that the others are compared with; by default `METHOD`, or else the
            last one.

    Raises:
        DataError: Nobody rated or chose anything, or there is no such model.
    """
    models = rated.models
    if reference is not None and reference not in models:
        raise DataError(f"no answers of model {reference!r}; there are {', '.join(models)}")
    if not rated.ratings and not rated.preferences:
        raise DataError("there are no ratings yet; `gtalign study rate FOLDER` takes them")
    chosen = reference or (METHOD if METHOD in models else models[-1])
    return Satisfaction(
        simulated=rated.simulated,
        reference=chosen,
        models=_models(rated, chosen),
        duels=_duels(rated, chosen),
        agreement=_agreement(rated),
        predictors=predictors(rated) if rated.ratings else (),
        annotators=[_annotator(rated, name) for name in rated.annotators],
    )


def _models(rated: Rated, reference: str) -> list[ModelSatisfaction]:
    """The mean of each model; all of them, and the differences, from one jackknife."""
    names = [name for name in rated.models if name != reference] + [reference]
    place = {name: number for number, name in enumerate(names)}
    model_n = np.array([place[rated.answers[one.answer].model] for one in rated.ratings], np.intp)
    value_n = np.array([one.value for one in rated.ratings], np.float64)

    def estimate(kept: Mask) -> Floats:
        sums_m = np.bincount(model_n[kept], value_n[kept], minlength=len(names))
        count_m = np.bincount(model_n[kept], minlength=len(names))
        mean_m = np.divide(sums_m, count_m, out=np.full(len(names), np.nan), where=count_m > 0)
        return np.concatenate([mean_m, mean_m[-1] - mean_m])

    if not rated.ratings:
        return []
    found = crossed(
        estimate,
        [rated.answers[one.answer].question for one in rated.ratings],
        [one.annotator for one in rated.ratings],
    )
    count_m = np.bincount(model_n, minlength=len(names))
    return [
        ModelSatisfaction(
            model=name,
            ratings=int(count_m[number]),
            mean=found[number].within(SCALE[0], SCALE[-1]),
            difference=None if name == reference else found[len(names) + number],
        )
        for number, name in enumerate(names)
    ]


def _duels(rated: Rated, reference: str) -> list[PairwisePreferences]:
    """The choices between every two models, the reference first where it is one of them."""
    names = [reference] + [name for name in rated.models if name != reference]
    found = []
    for one, other in combinations(names, 2):
        rows, points = [], []
        for choice in rated.preferences:
            pair = tuple(rated.answers[name].model for name in (choice.first, choice.second))
            if set(pair) == {one, other}:
                rows.append(choice)
                points.append(0.5 if not choice.value else float(pair[choice.value - 1] == one))
        if not rows:
            continue
        (share,) = crossed(
            _mean_of(np.array(points)),
            [rated.answers[choice.first].question for choice in rows],
            [choice.annotator for choice in rows],
        )
        wins, losses, ties = (points.count(value) for value in (1.0, 0.0, 0.5))
        found.append(PairwisePreferences(one, other, wins, losses, ties, share.within(0, 1)))
    return found


def _mean_of(value_n: Floats) -> Callable[[Mask], Floats]:
    """The estimate, for `crossed`, of a mean."""

    def estimate(kept: Mask) -> Floats:
        return np.array([value_n[kept].mean() if kept.any() else np.nan])

    return estimate


def _agreement(rated: Rated) -> list[AnnotatorAgreement]:
    ratings = [(one.annotator, one.answer, one.answer, one.value) for one in rated.ratings]
    choices = [
        (one.annotator, f"{one.first} {one.second}", one.first, one.value)
        for one in rated.preferences
    ]
    found = []
    for what, judged, levels in (
        ("ratings", ratings, LEVELS),
        ("preferences", choices, ("nominal",)),
    ):
        if not judged:
            continue
        units = list(dict.fromkeys(unit for _, unit, _, _ in judged))
        raters = list(dict.fromkeys(annotator for annotator, _, _, _ in judged))
        row_n = np.array([raters.index(annotator) for annotator, _, _, _ in judged])
        unit_place = {unit: number for number, unit in enumerate(units)}
        unit_n = np.array([unit_place[unit] for _, unit, _, _ in judged])
        value_n = np.array([value for _, _, _, value in judged], np.float64)
        alphas = crossed(
            _alphas(row_n, unit_n, value_n, levels),
            [rated.answers[answer].question for _, _, answer, _ in judged],
            ["these"] * len(judged),  # without one of two annotators there is no agreement
        )
        shared = int((np.bincount(unit_n) > 1).sum())
        found += [
            AnnotatorAgreement(what, level, shared, alpha.within(-np.inf, 1))
            for level, alpha in zip(levels, alphas, strict=True)
        ]
    return found


def _alphas(
    row_n: NDArray[np.intp], unit_n: NDArray[np.intp], value_n: Floats, levels: Sequence[Level]
) -> Callable[[Mask], Floats]:
    """The estimate, for `crossed`, of alpha at some levels."""
    shape = (int(row_n.max()) + 1, int(unit_n.max()) + 1)

    def estimate(kept: Mask) -> Floats:
        table_ru = np.full(shape, np.nan)
        table_ru[row_n[kept], unit_n[kept]] = value_n[kept]
        alphas = [krippendorff_alpha(table_ru.tolist(), level) for level in levels]
        return np.array(alphas, dtype=np.float64)

    return estimate


def _annotator(rated: Rated, name: str) -> Annotator:
    values = [one.value for one in rated.ratings if one.annotator == name]
    choices = [one.value for one in rated.preferences if one.annotator == name]
    decided = [value for value in choices if value]
    return Annotator(
        name=name,
        ratings=len(values),
        mean=float(np.mean(values)) if values else None,
        deviation=float(np.std(values)) if values else None,
        preferences=len(choices),
        first=decided.count(1) / len(decided) if decided else None,
    )
