"""The sections of the report with charts: welfare, learning, and the content of the chain."""

from collections.abc import Iterator, Mapping, Sequence

from gtalign.chain import BLOCKS
from gtalign.drawing import (
    Markup,
    Series,
    Whisker,
    element,
    interval_chart,
    join,
    line_chart,
    smooth,
    stacked_chart,
)
from gtalign.evaluation import markup
from gtalign.evaluation.comparison import Comparison, Estimate
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.plane import Spot, welfare_plane
from gtalign.evaluation.profiles import TAGS, block_tokens, calibration
from gtalign.reward import FACTORS
from gtalign.reward.scores import WELFARE
from gtalign.transcripts.transcript import Transcript

Curves = Mapping[str, Sequence[Mapping[str, float]]]

INTERVALS = ("mutual_welfare", "quality", "quality_per_100_tokens", "right_action")

SHARES = (0.0, 1.0)

BLOCK_COLOURS = {name: f"b{i}" for i, name in enumerate((*BLOCKS, TAGS))}


def welfare(comparison: Comparison, colours: Mapping[str, str]) -> Markup:
    """Means with their intervals, the plane of both welfares, and the Pareto measures."""
    pooled = [group.name for group in comparison.groups if group.task is None]
    charts = [
        interval_chart(
            metric.label,
            [(group, _whiskers(comparison, group, metric.name, colours)) for group in pooled],
            metric.digits,
            within=metric.range,
        )
        for metric in map(metrics().__getitem__, INTERVALS)
    ]
    charts[1:1] = [
        welfare_plane(
            f"User against LLM welfare, {group.lower()}", _spots(comparison, group, colours)
        )
        for group in pooled
    ]
    standings = (
        element(
            "p",
            "Each point is a question, the mean over its answers. Hypervolume: area that a model's "
            "points dominate above (0, 0). Undominated: share of questions on which no other "
            "model is at least as good for both players and better for one.",
            class_="sub below",
        ),
        markup.standings(comparison, colours),
    )
    return markup.section(
        "Welfare",
        "Bars are 95% intervals, the small ticks below them are single seeds. In the plane, dashed "
        "lines have equal W, and the thin line is the Pareto frontier of the models.",
        markup.plots(charts),
        standings if comparison.standings else None,
    )


def _whiskers(
    comparison: Comparison, group: str, name: str, colours: Mapping[str, str]
) -> list[Whisker]:
    rows = []
    for model in comparison.models:
        found = comparison.estimate(model, group, name)
        if found is None or found.value is None:
            continue
        marks = list(found.seeds.values()) if len(found.seeds) > 1 else []
        strong = model == comparison.reference
        ends = _ends(found, found.value)
        rows.append(Whisker(model, colours[model], found.value, *ends, marks, strong))
    return rows


def _spots(comparison: Comparison, group: str, colours: Mapping[str, str]) -> list[Spot]:
    found = []
    for model in comparison.models:
        user = comparison.estimate(model, group, "user_welfare")
        llm = comparison.estimate(model, group, "llm_welfare")
        if user is None or llm is None or user.value is None or llm.value is None:
            continue
        ends = _ends(user, user.value), _ends(llm, llm.value)
        strong = model == comparison.reference
        found.append(Spot(model, colours[model], user.value, llm.value, *ends, strong))
    return found


def _ends(found: Estimate, value: float) -> tuple[float, float]:
    """The ends of an estimate's interval; the value itself where there is none."""
    low, high = found.interval.low, found.interval.high
    return value if low is None else low, value if high is None else high


def panels() -> Iterator[tuple[str, str, tuple[float, float] | None]]:
    """Yield name, title and range of each learning curve; every factor with a label has one."""
    for name, metric in metrics().items():
        if name in WELFARE:
            yield f"welfare/{name}", metric.label, SHARES
    yield "reward", "Reward, each model's own", SHARES
    for name, factor in FACTORS.items():
        if factor.label is not None:
            yield f"factor/{name}", factor.label, factor.range
    yield "tokens", "Tokens of a completion", None
    yield "entropy", "Entropy of the model", None
    yield "loss", "Loss of supervised training", None


OF_SEEDS = "On training questions, smoothed. Thick: mean over seeds; thin: single seeds."


def learning(curves: Curves, colours: Mapping[str, str], sub: str = OF_SEEDS) -> Markup:
    """Training metrics by step; seeds thin, their mean thick.

    Args:
        curves: The metrics by run, ``model`` or ``model/seed``.
        colours: Colours of models; others get the next ones.
        sub: What the section says below its heading.
    """
    charts = []
    models = list(dict.fromkeys(run.partition("/")[0] for run in curves))
    paint = dict(colours) | {
        model: markup.model_colour(i) for i, model in enumerate(models) if model not in colours
    }
    for name, title, within in panels():
        series = []
        for model in models:
            runs = [
                points
                for run, rows in curves.items()
                if run.partition("/")[0] == model
                and not (name == "loss" and any("reward" in row for row in rows))
                and len(points := _points(rows, name)) > 1
            ]
            if len(runs) > 1:
                series += [Series(model, paint[model], smooth(r), faint=True) for r in runs]
            if runs:
                series.append(Series(model, paint[model], smooth(_average(runs))))
        charts.append(line_chart(title, series, "step", within=within))
    return markup.section(
        "Learning",
        sub,
        join(markup.legend({m: paint[m] for m in models}), markup.plots(charts))
        if any(charts)
        else None,
    )


def _points(rows: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [
        (float(row["step"]), float(row[name]))
        for row in rows
        if row.get(name) is not None and row.get("step") is not None
    ]


def _average(runs: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Mean over runs at the steps that all of them have; one run's own points if there are none."""
    tables = [dict(run) for run in runs]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    if len(shared) < 2:
        return list(runs[0])
    return [(step, sum(table[step] for table in tables) / len(tables)) for step in shared]


def chains(
    comparison: Comparison, transcripts: Sequence[Transcript], colours: Mapping[str, str]
) -> Markup:
    """Tokens by block, and stated against true payoffs."""
    by_model = {m: [t for t in transcripts if t.model == m] for m in comparison.models}
    bars = [(m, parts) for m, own in by_model.items() if (parts := block_tokens(own))]
    used = {
        name: colour
        for name, colour in BLOCK_COLOURS.items()
        if any(name in parts for _, parts in bars)
    }
    charts = [stacked_chart("Tokens of an answer that can be read, by block", bars, used)]
    found = {m: calibration(own) for m, own in by_model.items()}
    for side, who in enumerate(("user", "LLM")):
        series = [
            Series(m, colours[m], curves[side]) for m, curves in found.items() if curves[side]
        ]
        charts.append(
            line_chart(
                f"The {who}'s payoffs: stated and true",
                series,
                "stated payoff, rounded",
                "true payoff, mean",
                dots=True,
                diagonal=True,
            )
        )
    return markup.section(
        "Inside the chain",
        "The tokens of each block, and stated against true payoffs: if the matrices that the "
        "models write are right, the lines rise along the dashed diagonal.",
        join(markup.legend(colours), markup.plots(charts)) if any(charts) else None,
    )
