"""The result in words, computed from a comparison."""

from html import escape

from gtalign.evaluation.comparison import Comparison, Difference, Group
from gtalign.evaluation.metrics import BY_NAME, Metric
from gtalign.evaluation.tables import interval, number, p_value, percent, relative_interval

ALPHA = 0.05


def sentences(comparison: Comparison) -> list[str]:
    """What happened, one HTML sentence each: W, quality and tokens, plain answers, and gaps."""
    found: list[str] = []
    for group in comparison.groups:
        if group.task is None:
            found += [
                text
                for name in ("mutual_welfare", "quality")
                if (text := _against_best(comparison, group, BY_NAME[name])) is not None
            ]
    found += _against_plain(comparison)
    found.append(_unscored(comparison))
    return found


def verdict(difference: Difference, metric: Metric) -> str:
    """``better``, ``worse`` or ``even``: which side of zero the interval and the p value are on."""
    contrast = difference.contrast
    if (
        contrast.value is None
        or contrast.low is None
        or contrast.high is None
        or difference.adjusted is None
        or difference.adjusted >= ALPHA
        or contrast.low <= 0 <= contrast.high
        or metric.higher is None
    ):
        return "even"
    return "better" if (contrast.value > 0) == metric.higher else "worse"


def ahead(difference: Difference, metric: Metric) -> str:
    """In how many of the seeds the reference is better; empty for fewer than two."""
    if len(difference.seeds) < 2:
        return ""
    sign = -1 if metric.higher is False else 1
    wins = sum(sign * value > 0 for value in difference.seeds.values())
    return f"ahead in {wins} of {len(difference.seeds)} seeds"


def _against_best(comparison: Comparison, group: Group, metric: Metric) -> str | None:
    mine = comparison.estimate(comparison.reference, group.name, metric.name)
    if mine is None or mine.value is None:
        return None
    ends = interval(mine.interval.low, mine.interval.high, metric.digits)
    start = (
        f"{_where(group)}, {_name(comparison.reference)} has {_thing(metric)} of "
        f"<strong>{number(mine.value, metric.digits)}</strong> {ends}"
    )
    best = comparison.best_baseline(group.name, metric, chains=True)
    found = best and comparison.difference(best, group.name, metric.name)
    other = best and comparison.estimate(best, group.name, metric.name)
    if not found or not other or not best:
        return f"{start}."
    than = f"the best baseline with a chain, {_name(best)} ({number(other.value, metric.digits)})"
    detail = ", ".join(
        part
        for part in (
            f"95% interval {relative_interval(found)}" if relative_interval(found) else "",
            f"p&nbsp;{_p(found.adjusted)}",
            ahead(found, metric),
        )
        if part
    )
    gain = percent(found.contrast.relative).lstrip("+\N{MINUS SIGN}")
    match verdict(found, metric):
        case "better":
            return f"{start}: <strong>{gain} above</strong> {than} ({detail})."
        case "worse":
            return f"{start}: <strong>{gain} below</strong> {than} ({detail})."
    return (
        f"{start}, <strong>not distinguishable</strong> from {than}: "
        f"{percent(found.contrast.relative)} ({detail})."
    )


def _against_plain(comparison: Comparison) -> list[str]:
    """How answering without a chain compares, in distribution."""
    found = []
    group = next((g.name for g in comparison.groups if g.task is None), None)
    for model in comparison.baselines:
        if model not in comparison.plain or group is None:
            continue
        parts = []
        for name in ("quality", "right_action", "answer_mutual_welfare", "tokens"):
            metric = BY_NAME[name]
            mine = comparison.estimate(comparison.reference, group, name)
            theirs = comparison.estimate(model, group, name)
            difference = comparison.difference(model, group, name)
            if mine is None or theirs is None or difference is None or mine.value is None:
                continue
            says = {"better": "better", "worse": "worse", "even": "no clear difference"}
            parts.append(
                f"{metric.label.lower() if name != 'answer_mutual_welfare' else metric.label} "
                f"{number(theirs.value, metric.digits)} against "
                f"{number(mine.value, metric.digits)} "
                f"({_name(comparison.reference)}: {says[verdict(difference, metric)]})"
            )
        if parts:
            found.append(f"Answering without a chain, {_name(model)} has {'; '.join(parts)}.")
    return found


def _unscored(comparison: Comparison) -> str:
    lost = {model: count for model, count in comparison.unscored.items() if count}
    if not lost:
        return "Every answer was scored."
    each = ", ".join(f"{_name(model)} {count}" for model, count in lost.items())
    return f"{sum(lost.values())} answers could not be scored and count in no mean: {each}."


def _where(group: Group) -> str:
    return escape(group.name)


def _thing(metric: Metric) -> str:
    return {"mutual_welfare": "a mutual welfare", "quality": "an answer quality"}.get(
        metric.name, escape(metric.label)
    )


def _name(model: str) -> str:
    return f"<code>{escape(model)}</code>"


def _p(p: float | None) -> str:
    text = p_value(p)
    return f"&lt;&nbsp;{text[1:]}" if text.startswith("<") else f"=&nbsp;{text}"
