"""The results in sentences, computed from a comparison."""

from gtalign.drawing import MINUS, Content, Markup, change, element, fixed, interval, join
from gtalign.evaluation.comparison import Comparison, Difference, Group
from gtalign.evaluation.metrics import BY_NAME, Metric
from gtalign.evaluation.tables import p_value, relative_interval

ALPHA = 0.05
_GLUE = "\N{NO-BREAK SPACE}"


def sentences(comparison: Comparison) -> list[Markup]:
    """Return sentences on W, on quality and tokens, on plain answers and on missing scores."""
    found: list[Markup] = []
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
    """``better`` or ``worse`` if both the interval and the p value exclude zero, else ``even``."""
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
    """Say in how many seeds the reference is better; empty for fewer than two seeds."""
    if len(difference.seeds) < 2:
        return ""
    sign = -1 if metric.higher is False else 1
    wins = sum(sign * value > 0 for value in difference.seeds.values())
    return f"ahead in {wins} of {len(difference.seeds)} seeds"


def _against_best(comparison: Comparison, group: Group, metric: Metric) -> Markup | None:
    mine = comparison.estimate(comparison.reference, group.name, metric.name)
    if mine is None or mine.value is None:
        return None
    ends = interval(mine.interval.low, mine.interval.high, metric.digits)
    value = element("strong", fixed(mine.value, metric.digits))
    start = join(
        f"{group.name}, ",
        _name(comparison.reference),
        f" has {_thing(metric)} of ",
        value,
        f" {ends}",
    )
    best = comparison.best_baseline(group.name, metric, chains=True)
    found = best and comparison.difference(best, group.name, metric.name)
    other = best and comparison.estimate(best, group.name, metric.name)
    if not found or not other or not best:
        return join(start, ".")
    than = join(
        "the best baseline with a chain, ", _name(best), f" ({fixed(other.value, metric.digits)})"
    )
    reach = relative_interval(found)
    parts = (f"95% interval {reach}" if reach else "", _p(found.adjusted), ahead(found, metric))
    detail = ", ".join(part for part in parts if part)
    gain = change(found.contrast.relative)
    sides = {"better": "above", "worse": "below"}
    if (side := sides.get(verdict(found, metric))) is not None:
        size = element("strong", f"{gain.lstrip('+' + MINUS)} {side}")
        return join(start, ": ", size, " ", than, f" ({detail}).")
    even = element("strong", "not distinguishable")
    return join(start, ", ", even, " from ", than, f": {gain} ({detail}).")


def _against_plain(comparison: Comparison) -> list[Markup]:
    """Compare the reference with answers without a chain, in distribution."""
    found = []
    group = next((g.name for g in comparison.groups if g.task is None), None)
    for model in comparison.baselines:
        if model not in comparison.plain or group is None:
            continue
        parts: list[Content] = []
        for name in ("quality", "right_action", "answer_mutual_welfare", "tokens"):
            metric = BY_NAME[name]
            mine = comparison.estimate(comparison.reference, group, name)
            theirs = comparison.estimate(model, group, name)
            difference = comparison.difference(model, group, name)
            if mine is None or theirs is None or difference is None or mine.value is None:
                continue
            says = {"better": "better", "worse": "worse", "even": "no clear difference"}
            what = metric.label.lower() if name != "answer_mutual_welfare" else metric.label
            values = (fixed(one.value, metric.digits) for one in (theirs, mine))
            parts += [
                f"{'; ' if parts else ''}{what} {' against '.join(values)} (",
                _name(comparison.reference),
                f": {says[verdict(difference, metric)]})",
            ]
        if parts:
            start = "Answering without a chain, ", _name(model), " has "
            found.append(join(start, parts, "."))
    return found


def _unscored(comparison: Comparison) -> Markup:
    lost = {model: count for model, count in comparison.unscored.items() if count}
    if not lost:
        return join("Every answer was scored.")
    each = [
        (", " if place else "", _name(model), f" {count}")
        for place, (model, count) in enumerate(lost.items())
    ]
    total = f"{sum(lost.values())} answers could not be scored and count in no mean: "
    return join(total, each, ".")


def _thing(metric: Metric) -> str:
    names = {"mutual_welfare": "a mutual welfare", "quality": "an answer quality"}
    return names.get(metric.name, metric.label)


def _name(model: str) -> Markup:
    return element("code", model)


def _p(p: float | None) -> str:
    """A p value without a space at which a line could break."""
    text = p_value(p)
    sign, size = ("<", text[1:]) if text.startswith("<") else ("=", text)
    return f"p{_GLUE}{sign}{_GLUE}{size}"
