"""The results in sentences, computed from a comparison."""

import re
from dataclasses import replace
from html import unescape
from typing import Final

from gtalign.drawing import (
    MINUS,
    Content,
    Markup,
    change,
    counted,
    element,
    fixed,
    interval,
    join,
)
from gtalign.evaluation.comparison import SPLITS, Comparison, Difference, Group, Pairing
from gtalign.evaluation.metrics import Metric, metrics
from gtalign.evaluation.statistics import LEAST
from gtalign.evaluation.tables import p_value, relative_interval

ALPHA = 0.05
_TAG: Final = re.compile(r"<[^>]*>")
_GLUE = "\N{NO-BREAK SPACE}"


def sentences(comparison: Comparison) -> list[Markup]:
    """Return what a reader must not miss: that nothing is scored, what is worse, W and quality.

    The last ones say what has no score, how many questions are shared, and where they are too few.
    """
    found = [] if comparison.scored else [join(element("strong", "No answer has a score"), ".")]
    found += [text for one in comparison.baselines for text in _worse(comparison, one)]
    for group in comparison.groups:
        if group.task is None:
            found += [
                text
                for name in ("mutual_welfare", "quality", "score")
                if (text := _against_best(comparison, group, metrics()[name])) is not None
            ]
    found += _against_plain(comparison)
    found.append(_unscored(comparison))
    if not comparison.baselines:
        found.append(join(_name(comparison.reference), " is the only model: nothing is compared."))
    return [*found, *_paired(comparison), *_too_few(comparison)]


def plain_sentences(comparison: Comparison) -> list[str]:
    """Return `sentences` as text, for a terminal."""
    return [unescape(_TAG.sub("", text)).replace(_GLUE, " ") for text in sentences(comparison)]


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


def _worse(comparison: Comparison, baseline: str) -> list[Markup]:
    """Say in which metrics the reference is worse than a baseline, by set and by task."""
    parts: list[Content] = []
    known: set[str] = set()
    for group in comparison.groups:  # the sets come first
        listed: list[Content] = []
        for metric in comparison.metrics():
            found = comparison.difference(baseline, group.name, metric.name)
            if found is None or verdict(found, metric) != "worse":
                continue
            if group.task is not None and metric.name in known:
                continue  # the set said so
            if group.task is None:
                known.add(metric.name)
            value = fixed(found.contrast.value, metric.digits, sign=True)
            ends = interval(found.contrast.low, found.contrast.high, metric.digits, sign=True)
            size = element("strong", f"{metric.label} {value}")
            listed += [", " if listed else "", size, f" {ends}"]
        if listed:
            parts += ["; " if parts else "", f"{_inside(group.name)}: ", *listed]
    if not parts:
        return []
    name = _name(comparison.reference)
    return [
        join(name, " is ", element("strong", "worse"), " than ", _name(baseline), " ", *parts, ".")
    ]


def _paired(comparison: Comparison) -> list[Markup]:
    """Say how many questions the reference shares with each baseline, and by what."""
    by = {"id": "id", "prompt": "prompt", "conversation": "prompt without system messages"}
    alike: dict[Pairing, list[str]] = {}
    for pairing in comparison.pairings:
        alike.setdefault(replace(pairing, baseline=""), []).append(pairing.baseline)
    found = []
    for pairing, baselines in alike.items():
        names = [(", " if place else "", _name(name)) for place, name in enumerate(baselines)]
        parts: list[Content] = [
            _name(comparison.reference),
            " and each of " if len(baselines) > 1 else " and ",
            names,
            f": {counted(pairing.paired, 'question')} paired by {by[pairing.by]}",
            f" ({counted(pairing.answers, 'answer')})",
        ]
        if pairing.unlike:
            parts.append(f"; {pairing.unlike:,} of them have other prompts in the two")
        if pairing.only_reference:
            parts += [f"; {pairing.only_reference:,} only in ", _name(comparison.reference)]
        if pairing.only_baseline:
            parts += [f"; {pairing.only_baseline:,} only in ", names]
        if not (pairing.only_reference or pairing.only_baseline):
            parts.append("; none is in one of them only")
        found.append(join(*parts, "."))
    return found


def _too_few(comparison: Comparison) -> list[Markup]:
    """Say where there are too few questions for a p value."""
    most: dict[str, int] = {}
    for (_, group, _), found in comparison.differences.items():
        most[group] = max(most.get(group, 0), found.contrast.clusters)
    few = {name: count for name, count in most.items() if count < LEAST}
    if not few:
        return []
    places = ", ".join(f"{name} ({count})" for name, count in few.items())
    text = (
        f"Too few independent questions for a p value: {places}. Below {LEAST} no test can reach "
        ".05, and the intervals take differences to be normal."
    )
    return [join(text)]


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
        f" {ends}" if ends else "",
    )
    chains = comparison.reference not in comparison.plain
    best = comparison.best_baseline(group.name, metric, chains=chains)
    found = best and comparison.difference(best, group.name, metric.name)
    other = best and comparison.estimate(best, group.name, metric.name)
    if not found or not other or not best:
        return join(start, ".")
    than = join(
        "the best baseline with a chain, " if chains else "the best baseline, ",
        _name(best),
        f" ({fixed(other.value, metric.digits)})",
    )
    side = {"better": "above", "worse": "below"}.get(verdict(found, metric))
    parts = (
        _reach(found, metric, side is not None),
        _p(found.adjusted),
        ahead(found, metric),
        _shared(comparison, best),
    )
    detail = ", ".join(part for part in parts if part)
    gain = change(found.contrast.relative)
    if found.contrast.relative is None:  # of nothing there are no per cent
        gain = fixed(found.contrast.value, metric.digits, sign=True)
    if side is not None:
        size = element("strong", f"{gain.lstrip('+' + MINUS)} {side}")
        return join(start, ": ", size, " ", than, f" ({detail}).")
    even = element("strong", "not distinguishable")
    return join(start, ", ", even, " from ", than, f": {gain} ({detail}).")


def _shared(comparison: Comparison, baseline: str) -> str:
    """Say that a gain is over the shared questions, where the means are over others too."""
    pairing = next(one for one in comparison.pairings if one.baseline == baseline)
    if not (pairing.only_reference or pairing.only_baseline):
        return ""
    return f"over the {counted(pairing.paired, 'shared question')}"


def _reach(found: Difference, metric: Metric, differs: bool) -> str:
    """The interval of a gain; that of the difference where the two do not say the same.

    With few questions a ratio is less certain than the difference that was tested.
    """
    contrast = found.contrast
    if contrast.relative_low is None or contrast.relative_high is None:
        return ""
    if differs == (contrast.relative_low <= 0 <= contrast.relative_high):
        size = fixed(contrast.value, metric.digits, sign=True)
        ends = interval(contrast.low, contrast.high, metric.digits, sign=True)
        return f"difference {size}, 95% interval {ends}"
    return f"95% interval {relative_interval(found)}"


def _against_plain(comparison: Comparison) -> list[Markup]:
    """Compare the reference with answers without a chain, in distribution."""
    found = []
    group = next((g.name for g in comparison.groups if g.task is None), None)
    for model in comparison.baselines:
        if (
            model not in comparison.plain
            or group is None
            or comparison.reference in comparison.plain
        ):
            continue
        parts: list[Content] = []
        for name in ("quality", "right_action", "answer_mutual_welfare", "tokens"):
            metric = metrics()[name]
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
    count = counted(sum(lost.values()), "answer")
    total = f"{count} could not be scored (in no mean): "
    return join(total, each, ".")


def _thing(metric: Metric) -> str:
    names = {
        "mutual_welfare": "a mutual welfare",
        "quality": "an answer quality",
        "score": "a score",
    }
    return names.get(metric.name, metric.label)


def _inside(group: str) -> str:
    """The name of a set or a task, within a sentence."""
    return group[:1].lower() + group[1:] if group in SPLITS.values() else group


def _name(model: str) -> Markup:
    return element("code", model)


def _p(p: float | None) -> str:
    """A p value without a space at which a line could break."""
    if p is None:
        return "no p value"
    text = p_value(p)
    sign, size = ("<", text[1:]) if text.startswith("<") else ("=", text)
    return f"p{_GLUE}{sign}{_GLUE}{size}"
