"""Models side by side: every metric with its interval, and paired differences to a reference.

All rows of a group count the same, so the larger tasks dominate a group of several; each task is
also a group of its own. Intervals show how far the numbers would move with other *questions*; they
take the trained models as given. The spread between seeds, next to them, shows how far the numbers
move with another training seed.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation import statistics
from gtalign.evaluation.comparison import (
    SPLITS,
    Comparison,
    Difference,
    Estimate,
    Gain,
    Group,
    Standing,
)
from gtalign.evaluation.contrast import RESAMPLES, Contrast, contrasts
from gtalign.evaluation.grouped import GroupSums
from gtalign.evaluation.metrics import Metric, metrics
from gtalign.evaluation.pairing import pair
from gtalign.evaluation.pareto import coverage, dominance, hypervolume
from gtalign.evaluation.rows import NO_SEED, Rows, group_sums
from gtalign.evaluation.statistics import Floats, Interval
from gtalign.transcripts.transcript import Transcript

__all__ = ["compare"]

PUBLISHED = (
    ("quality_per_100_tokens", "test", 21.5),
    ("quality", "test", 4.9),
    ("mutual_welfare", "test", 7.2),
    ("mutual_welfare", "ood", 10.5),
    ("quality", "ood", 7.4),
)
"""Relative gains in per cent over the best baseline, from the abstract of arXiv 2510.08872."""


Key = tuple[str, str, str]
"""(model or baseline, group, metric)"""


def compare(
    transcripts: Iterable[Transcript],
    *,
    reference: str,
    rng: np.random.Generator,
    baselines: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare models on the transcripts of their answers.

    Args:
        transcripts: Answers of every model. Answers to one question, by all models and seeds, share
            its id, or else its prompt; those of one cluster are not independent of each other.
        reference: The model that the others are compared with.
        rng: Source of the bootstrap's resamples.
        baselines: The models to compare it with; by default all others, in order of appearance.
        resamples: Bootstrap resamples of each group.

    Raises:
        DataError: No transcripts, a named model without any, or models that share no question or no
            measure.
    """
    held = tuple(transcripts)
    if not held:
        raise DataError("there are no transcripts to compare")
    names = tuple(dict.fromkeys(transcript.model for transcript in held))
    chosen = tuple(m for m in names if m != reference) if baselines is None else tuple(baselines)
    for name in (reference, *chosen):
        if name not in names:
            raise DataError(f"no transcripts of model {name!r}; there are {', '.join(names)}")
    by, pairings = pair(held, reference, chosen)
    rows = Rows(held, by)
    models = (*(name for name in names if name != reference), reference)
    groups = _groups(held)
    drawn = int(rng.integers(1 << 62))
    estimates: dict[tuple[str, str, str], Estimate] = {}
    found: dict[tuple[str, str, str], tuple[Contrast, dict[int, float]]] = {}
    for group in groups:
        sums = GroupSums(rows, group, models)
        estimates |= _estimates(rows, group, sums)
        found |= _contrasts(rows, group, sums, estimates, reference, chosen, drawn, resamples)
    if chosen and not found:
        each = (f"{m} has {_known(estimates, m) or _none(held, m)}" for m in models)
        raise DataError(f"no measure is known of two models on shared questions: {'; '.join(each)}")
    seeds = {m: set(rows.seed[rows.model == m].tolist()) - {NO_SEED} for m in models}
    comparison = Comparison(
        models=models,
        plain=frozenset(t.model for t in held if t.plain),
        reference=reference,
        baselines=chosen,
        pairings=pairings,
        groups=groups,
        estimates=estimates,
        differences=_adjust(found, groups, reference, chosen),
        standings=_standings(rows, groups, models, reference),
        gains=(),
        seeds={model: tuple(sorted(own)) for model, own in seeds.items()},
        unscored={m: int(rows.unscored[rows.model == m].sum()) for m in models},
    )
    return replace(comparison, gains=_gains(comparison))


def _known(estimates: Mapping[Key, Estimate], model: str) -> str:
    """The metrics that a model has, listed."""
    own = {one.metric for one in estimates.values() if one.model == model and one.value is not None}
    return ", ".join(metric.label for name, metric in metrics().items() if name in own)


def _none(transcripts: Sequence[Transcript], model: str) -> str:
    """Say that a model has no metric, and why."""
    reasons = dict.fromkeys(t.unscored for t in transcripts if t.model == model and t.unscored)
    return f"none ({'; '.join(reasons)})" if reasons else "none"


def _groups(transcripts: Sequence[Transcript]) -> tuple[Group, ...]:
    """The pooled splits, then every task of every split."""
    found = list(dict.fromkeys((t.split, t.task) for t in transcripts))
    splits = list(dict.fromkeys(split for split, _ in found))
    order = [s for s in SPLITS if s in splits] + [s for s in splits if s not in SPLITS]
    pooled = [Group(SPLITS.get(split, split or "All"), split, None) for split in order]
    tasks = [task for _, task in found]
    single = [
        Group(task if tasks.count(task) == 1 else f"{task} ({split})", split, task)
        for wanted in order
        for split, task in found
        if split == wanted
    ]
    return (*pooled, *single)


def _estimates(rows: Rows, group: Group, sums: GroupSums) -> dict[Key, Estimate]:
    """Every metric of every model in one group."""
    estimates: dict[Key, Estimate] = {}
    for model in sums.models:
        mine = sums.inside & (rows.model == model)
        if not mine.any():
            continue
        tops, bottoms = sums.by_cluster(sums.tops[model]), sums.by_cluster(sums.bottoms[model])
        by_seed = _by_seed(rows, mine)
        for m, metric in enumerate(rows.metrics):
            n = int(sums.counts[model][:, m].sum())
            interval = replace(statistics.mean_of_sums(tops[:, m], bottoms[:, m]), n=n)
            seeds = {s: float(v[m]) for s, v in by_seed.items() if not np.isnan(v[m])}
            estimates[model, group.name, metric.name] = Estimate(
                model=model,
                group=group.name,
                metric=metric.name,
                interval=_clip(interval, metric),
                rows=int(mine.sum()),
                missing=int(mine.sum()) - n,
                unscored=int(rows.unscored[mine].sum()),
                seeds=seeds,
                spread=statistics.spread(list(seeds.values())),
            )
    return estimates


def _contrasts(
    rows: Rows,
    group: Group,
    sums: GroupSums,
    estimates: Mapping[Key, Estimate],
    reference: str,
    baselines: Sequence[str],
    drawn: int,
    resamples: int,
) -> dict[Key, tuple[Contrast, dict[int, float]]]:
    """Uncorrected differences of one group, and those of each seed."""
    found: dict[Key, tuple[Contrast, dict[int, float]]] = {}
    for baseline in baselines:
        paired = sums.paired(reference, baseline)
        if not paired.held.any():
            continue
        # Resamples of its own: the digits do not depend on what else is compared.
        own = zlib.crc32(json.dumps([group.name, reference, baseline]).encode())
        every = contrasts(paired, np.random.default_rng([drawn, own]), resamples)
        for metric, contrast in zip(rows.metrics, every, strict=True):
            if contrast.value is None:
                continue
            ours = estimates[reference, group.name, metric.name].seeds
            other = estimates[baseline, group.name, metric.name].seeds
            seeds = {seed: ours[seed] - other[seed] for seed in ours if seed in other}
            found[baseline, group.name, metric.name] = (contrast, seeds)
    return found


def _clip(interval: Interval, metric: Metric) -> Interval:
    """Keep the ends of an interval within the range of the metric."""
    if interval.low is None or interval.high is None:
        return interval
    least, most = metric.range
    return replace(interval, low=max(interval.low, least), high=min(interval.high, most))


def _by_seed(rows: Rows, mine: NDArray[np.bool_]) -> dict[int, Floats]:
    """Every metric of each seed alone, shape [M]."""
    found = {}
    for seed in np.unique(rows.seed[mine]):
        if seed == NO_SEED:
            continue
        own = mine & (rows.seed == seed)
        top, bottom = rows.tops_nm[own].sum(axis=0), rows.bottoms_nm[own].sum(axis=0)
        found[int(seed)] = statistics.divide(top, bottom)
    return found


def _adjust(
    contrasts: dict[Key, tuple[Contrast, dict[int, float]]],
    groups: Sequence[Group],
    reference: str,
    baselines: Sequence[str],
) -> dict[Key, Difference]:
    """Correct the p values: the tasks are one family of tests, the pooled splits another."""
    found: dict[Key, Difference] = {}
    families = ([g.name for g in groups if g.task is None], [g.name for g in groups if g.task])
    for baseline in baselines:
        for metric in metrics():
            for family in families:
                keys = [key for name in family if (key := (baseline, name, metric)) in contrasts]
                adjusted = statistics.holm([contrasts[key][0].p for key in keys])
                for key, p in zip(keys, adjusted, strict=True):
                    contrast, seeds = contrasts[key]
                    found[key] = Difference(reference, baseline, key[1], metric, contrast, p, seeds)
    return found


def _standings(
    rows: Rows, groups: Sequence[Group], models: Sequence[str], reference: str
) -> tuple[Standing, ...]:
    """Pareto measures of each split; each question is one point, the mean over its answers."""
    names = [metric.name for metric in rows.metrics]
    axes = [names.index("user_welfare"), names.index("llm_welfare")]
    questions = int(rows.question.max()) + 1
    found: list[Standing] = []
    for group in groups:
        if group.task is not None:
            continue
        points: dict[str, Floats] = {}
        for model in models:
            mine = (rows.split == group.split) & (rows.model == model)
            top = group_sums(rows.tops_nm[:, axes], rows.question, mine, questions)
            count = group_sums(
                rows.known_nm[:, axes].astype(np.float64), rows.question, mine, questions
            )
            means = statistics.divide(top, count)
            if (~np.isnan(means)).all(axis=1).any():
                points[model] = means
        if not points:
            continue
        stacked_qm2 = np.stack(list(points.values()), axis=1)
        shared = stacked_qm2[~np.isnan(stacked_qm2).any(axis=(1, 2))]
        shares = coverage(shared)
        for position, (model, mine_q2) in enumerate(points.items()):
            wins = losses = None
            if model != reference and reference in points:
                both = ~np.isnan(mine_q2).any(axis=1) & ~np.isnan(points[reference]).any(axis=1)
                wins, losses = dominance(points[reference][both], mine_q2[both])
            found.append(
                Standing(
                    model=model,
                    group=group.name,
                    hypervolume=hypervolume(mine_q2[~np.isnan(mine_q2).any(axis=1)]),
                    coverage=float(shares[position]) if len(shared) else None,
                    wins=wins,
                    losses=losses,
                    questions=len(shared),
                )
            )
    return tuple(found)


def _gains(comparison: Comparison) -> tuple[Gain, ...]:
    """The published gains that these transcripts can be compared with."""
    found = []
    for metric, split, published in PUBLISHED:
        group = next((g.name for g in comparison.groups if g.split == split and not g.task), None)
        if group is None:
            continue
        for best in dict.fromkeys(
            comparison.best_baseline(group, metrics()[metric], chains=chains)
            for chains in (False, True)
        ):
            ours = None if best is None else comparison.difference(best, group, metric)
            found.append(Gain(metric, group, published, best, ours))
    return tuple(found)
