"""The numbers of a comparison as text, and its tables on the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.drawing import NONE, change, counted, fixed, interval, share
from gtalign.evaluation.comparison import Comparison, Difference, Estimate, Gain, Group
from gtalign.evaluation.contrast import Method
from gtalign.evaluation.metrics import Metric, metrics
from gtalign.evaluation.statistics import FEW, LEAST

__all__ = ["print_tables"]

_LABEL, _COLUMN = 28, 18  # widths of the first and of every other column of estimates


@dataclass(frozen=True, slots=True)
class CellText:
    """One cell of a table as text, line by line, and whether it is the best of its row."""

    value: str
    interval: str
    spread: str
    count: str
    best: bool

    @property
    def lines(self) -> list[str]:
        """The lines below the number."""
        return [text for text in (self.interval, self.spread, self.count) if text]


def p_value(p: float | None) -> str:
    """A p value with three decimals, or ``<.001``."""
    if p is None:
        return NONE
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def relative_interval(difference: Difference) -> str:
    """The interval of a relative gain, in per cent."""
    contrast = difference.contrast
    if contrast.relative_low is None or contrast.relative_high is None:
        return ""
    return f"[{change(contrast.relative_low)}, {change(contrast.relative_high)}]"


def seeds_text(difference: Difference, digits: int) -> str:
    """The difference of each seed, ``+0.031 +0.028``; empty for fewer than two."""
    if len(difference.seeds) < 2:
        return ""
    return " ".join(fixed(d, digits, sign=True) for d in difference.seeds.values())


def cell(estimate: Estimate | None, metric: Metric, best: bool = False) -> CellText:
    """One estimate as text, with its spread over seeds, and n where not all answers have it."""
    if estimate is None or estimate.value is None:
        return CellText(NONE, "", "", "", False)
    found = estimate.interval
    spread = "" if estimate.spread is None else f"seeds sd {fixed(estimate.spread, metric.digits)}"
    return CellText(
        fixed(found.value, metric.digits),
        interval(found.low, found.high, metric.digits),
        spread,
        f"n {found.n} of {estimate.rows}" if estimate.missing else "",
        best,
    )


def best_model(comparison: Comparison, group: str, metric: Metric) -> str | None:
    """The model with the best value; None if neither direction is better or one model has it."""
    if metric.higher is None:
        return None
    sign = 1.0 if metric.higher else -1.0
    found = [
        (sign * estimate.value, model)
        for model in comparison.models
        if (estimate := comparison.estimate(model, group, metric.name)) is not None
        and estimate.value is not None
    ]
    return max(found)[1] if len(found) > 1 else None


def label(metric: Metric) -> str:
    """The metric's label with an arrow to its better side."""
    return metric.label + {True: " ↑", False: " ↓", None: ""}[metric.higher]


def shown(comparison: Comparison, group: str) -> list[Metric]:
    """The metrics that some model has in this group."""
    return [
        metric
        for metric in comparison.metrics()
        if any(
            (estimate := comparison.estimate(model, group, metric.name)) is not None
            and estimate.value is not None
            for model in comparison.models
        )
    ]


def counts(comparison: Comparison, group: str, model: str) -> tuple[int, int]:
    """Answers of a model in a group, and how many of them are unscored."""
    estimate = comparison.estimate(model, group, "quality")
    return (0, 0) if estimate is None else (estimate.rows, estimate.unscored)


def beside_each_other(console: Console, names: Sequence[str]) -> list[Sequence[str]]:
    """Split the columns of estimates into groups that each fit into one table."""
    step = max(1, (console.width - _LABEL) // _COLUMN)
    return [names[start : start + step] for start in range(0, len(names), step)]


def print_tables(console: Console, comparison: Comparison) -> None:
    """Print every table of a comparison: estimates, differences, Pareto measures and gains.

    The differences that so many questions could have shown stand below each table of differences.

    Models that do not fit beside each other continue in a further table.
    """
    slices = beside_each_other(console, comparison.models)
    pooled = [group for group in comparison.groups if group.task is None]
    for group in pooled:
        for models in slices:
            console.print(_estimates(comparison, group, models))
        if 0 < _clusters(comparison, group.name) < LEAST:
            console.print(Text(FEW, style="dim"))
    for metric in (m for m in comparison.metrics() if m.name in ("mutual_welfare", "quality")):
        for models in slices:
            console.print(_by_task(comparison, metric, models))
    seeds = console.width >= 120 and any(
        len(difference.seeds) > 1 for difference in comparison.differences.values()
    )
    for group in pooled if comparison.baselines else ():
        console.print(_differences(comparison, group, seeds=seeds))
        for line in notes(comparison, group.name):
            console.print(Text(line, style="dim"))
    if comparison.standings:
        console.print(_pareto(comparison))
    if comparison.gains:
        console.print(_gains(comparison.gains))


def _clusters(comparison: Comparison, group: str) -> int:
    """Most clusters that any model has in a group."""
    every = (found for key, found in comparison.estimates.items() if key[1] == group)
    return max((found.interval.clusters for found in every), default=0)


def _table(title: str, names: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """A table with columns of names, which wrap where the console is narrow, and of numbers."""
    table = Table(
        title=title,
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0),
    )
    for column in names:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _table_of_models(title: str, first: str, models: Sequence[str]) -> Table:
    table = _table(title, [first])
    for model in models:
        table.add_column(model, justify="right", overflow="fold")
    return table


def _styled(found: CellText) -> Text:
    text = Text(found.value, style="bold green" if found.best else "")
    for line in found.lines:
        text.append(f"\n{line}", style="dim")
    return text


def _estimates(comparison: Comparison, group: Group, models: Sequence[str]) -> Table:
    table = _table_of_models(f"{group.name}: mean and 95% interval", "", models)
    for metric in shown(comparison, group.name):
        best = best_model(comparison, group.name, metric)
        table.add_row(
            label(metric),
            *(
                _styled(cell(comparison.estimate(m, group.name, metric.name), metric, m == best))
                for m in models
            ),
        )
    held = [counts(comparison, group.name, model) for model in models]
    table.add_row("Answers", *(str(rows) for rows, _ in held))
    table.add_row("Unscored", *(str(unscored) for _, unscored in held))
    return table


def _by_task(comparison: Comparison, metric: Metric, models: Sequence[str]) -> Table:
    table = _table_of_models(f"{metric.label} by task", "task", models)
    for group in comparison.groups:
        best = best_model(comparison, group.name, metric)
        cells = [
            cell(comparison.estimate(m, group.name, metric.name), metric, m == best) for m in models
        ]
        table.add_row(group.name, *(_styled(found) for found in cells), end_section=False)
    return table


def _differences(comparison: Comparison, group: Group, *, seeds: bool) -> Table:
    binary = any(
        found.contrast.mcnemar is not None and key[1] == group.name
        for key, found in comparison.differences.items()
    )
    columns = (
        "difference",
        "95% CI",
        "gain",
        "p (Holm)",
        *(["McNemar"] * binary),
        "detectable",
        *(["by seed"] * seeds),
    )
    title = f"{group.name}: {comparison.reference} less each baseline, same questions"
    table = _table(title, ("", "baseline"), columns)
    for metric in shown(comparison, group.name):
        name = label(metric)
        for baseline in comparison.baselines:
            found = comparison.difference(baseline, group.name, metric.name)
            if found is None:
                continue
            contrast = found.contrast
            table.add_row(
                name,
                baseline,
                fixed(contrast.value, metric.digits, sign=True),
                interval(contrast.low, contrast.high, metric.digits, sign=True),
                change(contrast.relative),
                p_value(found.adjusted),
                *([p_value(contrast.mcnemar)] * binary),
                fixed(contrast.detectable, metric.digits),
                *([seeds_text(found, metric.digits)] * seeds),
            )
            name = ""
    return table


METHODS: Final[Mapping[Method, str]] = {
    "sign flips": "sign flips of clusters",
    "bootstrap": "a studentised bootstrap of clusters",
    "t": "Student's t, clustered",
    "none": f"too few clusters for a p value (below {LEAST}); the interval takes them to be normal",
}
"""How differences were tested, in words."""


def notes(comparison: Comparison, group: str) -> list[str]:
    """How the differences of a group were tested, and what its last columns mean."""
    held = [found.contrast for key, found in comparison.differences.items() if key[1] == group]
    ways: dict[str, set[int]] = {}
    for contrast in held:
        ways.setdefault(METHODS[contrast.method], set()).add(contrast.clusters)
    sized = {
        way: f"{min(sizes)} to {counted(max(sizes), 'cluster')}"
        if len(sizes) > 1
        else counted(max(sizes), "cluster")
        for way, sizes in ways.items()
    }
    few = sized.pop(METHODS["none"], None)
    tested = "; ".join(f"{way}: {size}" for way, size in sized.items())
    found = [f"Tested by {tested}."] if tested else []
    if few is not None:
        found.append(f"Not tested: {METHODS['none']}: {few}.")
    if any(contrast.detectable is not None for contrast in held):
        found.append("Detectable: the smallest true difference that p < .05 shows in 80% of cases.")
    if any(contrast.mcnemar is not None for contrast in held):
        found.append("McNemar: its exact p value, uncorrected, for pairs of 0/1 outcomes.")
    return found


def _pareto(comparison: Comparison) -> Table:
    table = _table(
        f"User against LLM welfare, one point a question ({comparison.reference} : model)",
        ("", "model"),
        ("hypervolume", "undominated", "dominates : is dominated"),
    )
    for standing in comparison.standings:
        table.add_row(
            standing.group,
            standing.model,
            fixed(standing.hypervolume),
            NONE if standing.coverage is None else share(standing.coverage, 1),
            "" if standing.wins is None else f"{standing.wins} : {standing.losses}",
        )
    return table


def _gains(gains: Sequence[Gain]) -> Table:
    table = _table(
        "Gain over the best baseline, next to the published one",
        ("", "set", "baseline"),
        ("gain", "95% CI", "p (Holm)", "published"),
    )
    for gain in gains:
        ours = gain.ours
        table.add_row(
            metrics()[gain.metric].label,
            gain.group,
            gain.baseline or NONE,
            NONE if ours is None else change(ours.contrast.relative),
            "" if ours is None else relative_interval(ours),
            "" if ours is None else p_value(ours.adjusted),
            change(gain.published / 100),
        )
    return table
