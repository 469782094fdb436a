"""A comparison of models, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from gtalign.evaluation.contrast import Contrast
from gtalign.evaluation.metrics import Metric, metrics
from gtalign.evaluation.rows import By
from gtalign.evaluation.statistics import Interval

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS: Final = {"test": "In distribution", "ood": "Out of distribution"}
"""Splits that are pooled into a group of their own, and that group's name."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are pooled: one task, or all tasks of a split (task is None)."""

    name: str
    split: str
    task: str | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """One model's number in one group.

    Attributes:
        interval: The estimate with its interval; the value is None where nothing was measured.
        rows: Answers in the group.
        missing: Answers without this measure, including the unscored ones.
        unscored: Answers whose judge gave no score.
        seeds: The estimate of each seed alone.
        spread: Standard deviation between seeds; None for fewer than two.
    """

    model: str
    group: str
    metric: str
    interval: Interval
    rows: int
    missing: int
    unscored: int
    seeds: Mapping[int, float]
    spread: float | None

    @property
    def value(self) -> float | None:
        """The estimate itself."""
        return self.interval.value


@dataclass(frozen=True, slots=True)
class Pairing:
    """How many questions the reference shares with a baseline.

    Attributes:
        by: What names a question: its ``id``, its ``prompt``, or its ``conversation``, the prompt
            without system messages.
        paired: Questions that both answered.
        only_reference: Questions that only the reference answered.
        only_baseline: Questions that only the baseline answered.
        answers: Their answers to the paired questions, all rollouts and seeds of both.
        unlike: Paired questions whose prompts have nothing in common, system messages aside.
    """

    reference: str
    baseline: str
    by: By
    paired: int
    only_reference: int
    only_baseline: int
    answers: int
    unlike: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Reference less baseline on the questions that both answered.

    Attributes:
        contrast: Difference, relative gain, intervals and p value.
        adjusted: The p value after Holm's correction: over the tasks for a task's row, over the
            splits for a split's row, within one metric and baseline.
        seeds: The difference for each seed that both models have.
    """

    reference: str
    baseline: str
    group: str
    metric: str
    contrast: Contrast
    adjusted: float | None
    seeds: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """Pareto measures of one model in one split.

    Attributes:
        hypervolume: Area above (0, 0) that its points, one for each question, dominate.
        coverage: Share of questions on which no other model dominates it.
        wins: Questions on which the reference dominates it; None for the reference itself.
        losses: Questions on which it dominates the reference; None for the reference itself.
        questions: Questions that enter the coverage.
    """

    model: str
    group: str
    hypervolume: float
    coverage: float | None
    wins: int | None
    losses: int | None
    questions: int


@dataclass(frozen=True, slots=True)
class Gain:
    """A published relative gain beside ours over the best baseline of that metric.

    Where the best baseline answers without a chain, which no published baseline does, there is a
    second one over the best baseline with a chain.
    """

    metric: str
    group: str
    published: float
    baseline: str | None
    ours: Difference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All results that tables and report show, as data.

    Attributes:
        models: Names, the reference last.
        plain: Models that answer without a chain.
        pairings: How many questions the reference shares with each baseline.
        groups: Splits first, then tasks.
        seeds: Seeds of each model.
        unscored: Unscored answers of each model, over all groups.
    """

    models: tuple[str, ...]
    plain: frozenset[str]
    reference: str
    baselines: tuple[str, ...]
    pairings: tuple[Pairing, ...]
    groups: tuple[Group, ...]
    estimates: Mapping[tuple[str, str, str], Estimate]
    differences: Mapping[tuple[str, str, str], Difference]
    standings: tuple[Standing, ...]
    gains: tuple[Gain, ...]
    seeds: Mapping[str, tuple[int, ...]]
    unscored: Mapping[str, int]

    @property
    def scored(self) -> bool:
        """Whether at least one answer has a score."""
        return any(found.rows > found.unscored for found in self.estimates.values())

    def estimate(self, model: str, group: str, metric: str) -> Estimate | None:
        """One cell of the tables; None where the model has no rows in the group."""
        return self.estimates.get((model, group, metric))

    def difference(self, baseline: str, group: str, metric: str) -> Difference | None:
        """Reference less `baseline`; None where either has no rows in the group."""
        return self.differences.get((baseline, group, metric))

    def best_baseline(self, group: str, metric: Metric, *, chains: bool = False) -> str | None:
        """The baseline with the best value of this metric in this group; None if none has one.

        Args:
            group: Name of the group.
            metric: The metric to rank by.
            chains: Consider only models that answer with a chain.
        """
        sign = -1.0 if metric.higher is False else 1.0
        found = [
            (sign * estimate.value, baseline)
            for baseline in self.baselines
            if not (chains and baseline in self.plain)
            and (estimate := self.estimate(baseline, group, metric.name)) is not None
            and estimate.value is not None
        ]
        return max(found)[1] if found else None

    def metrics(self) -> tuple[Metric, ...]:
        """Metrics that at least one model has in some group."""
        held = {key[2] for key, found in self.estimates.items() if found.value is not None}
        return tuple(metric for name, metric in metrics().items() if name in held)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as one JSON object."""
        return {
            "models": list(self.models),
            "plain": sorted(self.plain),
            "reference": self.reference,
            "baselines": list(self.baselines),
            "pairing": [asdict(pairing) for pairing in self.pairings],
            "seeds": {model: list(seeds) for model, seeds in self.seeds.items()},
            "unscored": dict(self.unscored),
            "groups": [asdict(group) for group in self.groups],
            "estimates": [asdict(estimate) for estimate in self.estimates.values()],
            "differences": [asdict(difference) for difference in self.differences.values()],
            "pareto": [asdict(standing) for standing in self.standings],
            "gains": [asdict(gain) for gain in self.gains],
        }

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return every table as rows of plain values, None where one is unknown.

        Returns:
            ``estimates``, a row for each model, group and metric; ``differences``, a row for each
            baseline, group and metric; ``pairing``; ``pareto``; and ``gains``.
        """
        places = {g.name: {"split": g.split, "task": g.task} for g in self.groups}
        return {
            "estimates": [
                {
                    "model": one.model,
                    "group": one.group,
                    **places[one.group],
                    "metric": one.metric,
                    **asdict(one.interval),
                    "rows": one.rows,
                    "missing": one.missing,
                    "unscored": one.unscored,
                    "seeds": len(one.seeds),
                    "seeds_sd": one.spread,
                }
                for one in self.estimates.values()
                if one.value is not None
            ],
            "differences": [
                {
                    "reference": one.reference,
                    "baseline": one.baseline,
                    "group": one.group,
                    **places[one.group],
                    "metric": one.metric,
                    **asdict(one.contrast),
                    "p_holm": one.adjusted,
                }
                for one in self.differences.values()
            ],
            "pairing": [asdict(one) for one in self.pairings],
            "pareto": [asdict(one) for one in self.standings],
            "gains": [
                {
                    "metric": one.metric,
                    "group": one.group,
                    "baseline": one.baseline,
                    "relative": None if one.ours is None else one.ours.contrast.relative,
                    "published": one.published / 100,
                }
                for one in self.gains
            ],
        }

    def to_pandas(self) -> dict[str, "DataFrame"]:
        """Return `tables` as data frames.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        from pandas import DataFrame  # whoever wants one has it

        return {name: DataFrame(rows) for name, rows in self.tables().items()}
