"""Models side by side: every metric with its interval, and paired differences to a reference.

All rows of a group count the same, so the larger tasks dominate a group of several; each task is
also a group of its own. Intervals show how far the numbers would move with other *questions*; they
take the trained models as given. The spread between seeds, next to them, shows how far the numbers
move with another training seed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import DataError
from gtalign.evaluation import statistics
from gtalign.evaluation.comparison import (
    Comparison,
    Difference,
    Estimate,
    Gain,
    Group,
    Standing,
)
from gtalign.evaluation.metrics import BY_NAME, Metric, metrics
from gtalign.evaluation.pareto import coverage, dominance, hypervolume
from gtalign.evaluation.rows import NO_SEED, Rows, group_sums
from gtalign.evaluation.statistics import Contrast, Floats, Interval
from gtalign.transcripts.transcript import Transcript

__all__ = ["compare"]

SPLITS = {"test": "In distribution", "ood": "Out of distribution"}
"""Splits that are pooled into a group of their own, and that group's name."""

PUBLISHED = (
    ("quality_per_100_tokens", "test", 21.5),
    ("quality", "test", 4.9),
    ("mutual_welfare", "test", 7.2),
    ("mutual_welfare", "ood", 10.5),
    ("quality", "ood", 7.4),
)
"""Relative gains in per cent over the best baseline, from the abstract of arXiv 2510.08872."""


def compare(
    transcripts: Iterable[Transcript],
    *,
    reference: str,
    rng: np.random.Generator,
    baselines: Sequence[str] | None = None,
    resamples: int = statistics.RESAMPLES,
) -> Comparison:
    """Compare models on the transcripts of their answers.

    Args:
        transcripts: Answers of every model; rows of one cluster belong together across models and
            seeds.
        reference: The model that the others are compared with.
        rng: Source of the bootstrap's resamples.
        baselines: The models to compare it with; by default all others, in order of appearance.
        resamples: Bootstrap resamples of each group.

    Raises:
        DataError: No transcripts, or a named model without any.
    """
    held = tuple(transcripts)
    if not held:
        raise DataError("there are no transcripts to compare")
    names = tuple(dict.fromkeys(transcript.model for transcript in held))
    chosen = tuple(m for m in names if m != reference) if baselines is None else tuple(baselines)
    for name in (reference, *chosen):
        if name not in names:
            raise DataError(f"no transcripts of model {name!r}; there are {', '.join(names)}")
    rows = Rows(held)
    models = (*(name for name in names if name != reference), reference)
    groups = _groups(held)
    estimates: dict[tuple[str, str, str], Estimate] = {}
    contrasts: dict[tuple[str, str, str], tuple[Contrast, dict[int, float]]] = {}
    for group in groups:
        mine, theirs = _in_group(rows, group, models, reference, chosen, rng, resamples)
        estimates |= mine
        contrasts |= theirs
    differences = _adjust(contrasts, groups, reference, chosen)
    seeds = {m: set(rows.seed[rows.model == m].tolist()) - {NO_SEED} for m in models}
    found = Comparison(
        models=models,
        plain=frozenset(t.model for t in held if t.plain),
        reference=reference,
        baselines=chosen,
        groups=groups,
        estimates=estimates,
        differences=differences,
        standings=_standings(rows, groups, models, reference),
        gains=(),
        seeds={model: tuple(sorted(own)) for model, own in seeds.items()},
        unscored={m: int(rows.unscored[rows.model == m].sum()) for m in models},
    )
    return replace(found, gains=_gains(found))


Key = tuple[str, str, str]
"""(model or baseline, group, metric)"""


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


def _in_group(
    rows: Rows,
    group: Group,
    models: Sequence[str],
    reference: str,
    baselines: Sequence[str],
    rng: np.random.Generator,
    resamples: int,
) -> tuple[dict[Key, Estimate], dict[Key, tuple[Contrast, dict[int, float]]]]:
    """Estimates and uncorrected differences of one group, from one set of resamples."""
    inside = rows.split == group.split
    if group.task is not None:
        inside &= rows.task == group.task
    clusters, code_i = np.unique(rows.cluster[inside], return_inverse=True)
    tops, bottoms, counts = (
        {
            model: group_sums(array[inside], code_i, rows.model[inside] == model, len(clusters))
            for model in models
        }
        for array in (rows.tops_nm, rows.bottoms_nm, rows.known_nm.astype(np.float64))
    )
    pairs = [b for b in baselines if counts[b].any() and counts[reference].any()]
    columns = [array for model in models for array in (tops[model], bottoms[model])]
    for baseline in pairs:
        both = (counts[baseline] > 0) & (counts[reference] > 0)
        columns += [
            np.where(both, array, 0.0)
            for array in (tops[reference], bottoms[reference], tops[baseline], bottoms[baseline])
        ]
    stacked_kgm = np.stack(columns)
    kinds, _, width = stacked_kgm.shape
    flat = stacked_kgm.transpose(1, 0, 2).reshape(len(clusters), -1)
    drawn_bkm = statistics.bootstrap_sums(flat, rng, resamples).reshape(-1, kinds, width)

    estimates: dict[Key, Estimate] = {}
    for position, model in enumerate(models):
        mine = inside & (rows.model == model)
        if not mine.any():
            continue
        by_seed = _by_seed(rows, mine)
        for m, metric in enumerate(rows.metrics):
            n = int(counts[model][:, m].sum())
            if metric.bottom is None:
                interval = statistics.mean_of_sums(tops[model][:, m], bottoms[model][:, m])
            else:
                top, bottom = drawn_bkm[:, 2 * position, m], drawn_bkm[:, 2 * position + 1, m]
                ratio = statistics.ratio_of_totals(
                    tops[model][:, m], bottoms[model][:, m], top, bottom
                )
                interval = replace(ratio, n=n)
            interval = _clip(interval, metric)
            seeds = {s: float(v[m]) for s, v in by_seed.items() if not np.isnan(v[m])}
            estimates[model, group.name, metric.name] = Estimate(
                model=model,
                group=group.name,
                metric=metric.name,
                interval=interval,
                rows=int(mine.sum()),
                missing=int(mine.sum()) - n,
                unscored=int(rows.unscored[mine].sum()),
                seeds=seeds,
                spread=statistics.spread(list(seeds.values())),
            )

    contrasts: dict[Key, tuple[Contrast, dict[int, float]]] = {}
    for position, baseline in enumerate(pairs):
        start = 2 * len(models) + 4 * position
        for m, metric in enumerate(rows.metrics):
            top_a, bottom_a, top_b, bottom_b = stacked_kgm[start : start + 4, :, m]
            shared = int(np.count_nonzero(bottom_a * bottom_b))
            if shared == 0:
                continue
            drawn = drawn_bkm[:, start : start + 4, m]
            contrast = statistics.contrast(
                (float(top_a.sum() / bottom_a.sum()), float(top_b.sum() / bottom_b.sum())),
                statistics.divide(drawn[:, 0], drawn[:, 1]),
                statistics.divide(drawn[:, 2], drawn[:, 3]),
                shared,
            )
            ours = estimates[reference, group.name, metric.name].seeds
            other = estimates[baseline, group.name, metric.name].seeds
            seeds = {seed: ours[seed] - other[seed] for seed in ours if seed in other}
            contrasts[baseline, group.name, metric.name] = (contrast, seeds)
    return estimates, contrasts


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
                keys = [
                    key for name in family if (key := (baseline, name, metric.name)) in contrasts
                ]
                adjusted = statistics.holm([contrasts[key][0].p for key in keys])
                for key, p in zip(keys, adjusted, strict=True):
                    contrast, seeds = contrasts[key]
                    found[key] = Difference(
                        reference, baseline, key[1], metric.name, contrast, p, seeds
                    )
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
            comparison.best_baseline(group, BY_NAME[metric], chains=chains)
            for chains in (False, True)
        ):
            ours = None if best is None else comparison.difference(best, group, metric)
            found.append(Gain(metric, group, published, best, ours))
    return tuple(found)
