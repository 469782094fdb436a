"""The sections of the report that draw: welfare, learning, and what is inside the chain."""

from collections.abc import Mapping, Sequence

from gtalign.chain import BLOCKS
from gtalign.evaluation import markup
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.metrics import BY_NAME
from gtalign.evaluation.plots import (
    Dot,
    Series,
    Whisker,
    interval_chart,
    line_chart,
    smooth,
    stacked_chart,
    welfare_chart,
)
from gtalign.evaluation.profiles import TAGS, block_tokens, calibration
from gtalign.transcripts.transcript import Transcript

Curves = Mapping[str, Sequence[Mapping[str, float]]]


PANELS = (
    ("welfare/mutual_welfare", "Mutual welfare W"),
    ("welfare/user_welfare", "User welfare U"),
    ("welfare/llm_welfare", "LLM welfare L"),
    ("reward", "Reward, each model's own"),
    ("factor/quality", "Answer quality"),
    ("factor/format", "Format"),
    ("factor/solution", "Solution S"),
    ("tokens", "Tokens of a completion"),
    ("entropy", "Entropy of the model"),
    ("loss", "Loss of supervised training"),
)


INTERVALS = ("mutual_welfare", "quality", "quality_per_100_tokens", "right_action")


BLOCK_COLOURS = {name: f"var(--b{i})" for i, name in enumerate((*BLOCKS, TAGS))}


def section(title: str, sub: str, body: str) -> str:
    """A part of the page; nothing if its body is empty."""
    return f'<section><h2>{title}</h2><p class="sub">{sub}</p>{body}</section>' if body else ""


def welfare(comparison: Comparison, colours: Mapping[str, str]) -> str:
    """Means with their intervals, the plane of both welfares, and the Pareto measures."""
    pooled = [group.name for group in comparison.groups if group.task is None]
    charts = [
        interval_chart(
            BY_NAME[name].label,
            [(group, _whiskers(comparison, group, name, colours)) for group in pooled],
            BY_NAME[name].digits,
        )
        for name in INTERVALS
    ]
    planes = [
        welfare_chart(
            f"User against LLM welfare, {group.lower()}", _dots(comparison, group, colours)
        )
        for group in pooled
    ]
    charts[1:1] = planes
    body = f'<div class="plots">{"".join(charts)}</div>' if any(charts) else ""
    if comparison.standings:
        body += (
            '<p class="sub" style="margin-top:18px">One point a question, the mean over its '
            "answers. Hypervolume: area that a model's points dominate above (0, 0). Undominated: "
            "share of questions on which no other model is at least as good for both players and "
            f"better for one.</p>{markup.standings(comparison, colours)}"
        )
    return section(
        "Welfare",
        "Bars are 95% intervals, the small ticks below them are single seeds. In the plane, dashed "
        "lines have equal W, and the thin line is the Pareto frontier of the models.",
        body,
    )


def _whiskers(
    comparison: Comparison, group: str, name: str, colours: Mapping[str, str]
) -> list[Whisker]:
    rows = []
    for model in comparison.models:
        found = comparison.estimate(model, group, name)
        if found is None or found.value is None:
            continue
        ends = found.interval
        low = found.value if ends.low is None else ends.low
        high = found.value if ends.high is None else ends.high
        marks = list(found.seeds.values()) if len(found.seeds) > 1 else []
        strong = model == comparison.reference
        rows.append(Whisker(model, colours[model], found.value, low, high, marks, strong))
    return rows


def _dots(comparison: Comparison, group: str, colours: Mapping[str, str]) -> list[Dot]:
    found = []
    for model in comparison.models:
        user = comparison.estimate(model, group, "user_welfare")
        llm = comparison.estimate(model, group, "llm_welfare")
        if user is None or llm is None or user.value is None or llm.value is None:
            continue
        ends = [
            (
                e.value if e.low is None else e.low,
                e.value if e.high is None else e.high,
            )
            for e in (user.interval, llm.interval)
        ]
        (x_low, x_high), (y_low, y_high) = ends
        assert x_low is not None and x_high is not None
        assert y_low is not None and y_high is not None
        strong = model == comparison.reference
        found.append(
            Dot(
                model,
                colours[model],
                user.value,
                llm.value,
                (x_low, x_high),
                (y_low, y_high),
                strong,
            )
        )
    return found


def learning(curves: Curves, colours: Mapping[str, str]) -> str:
    """Training metrics by step; seeds thin, their mean thick."""
    charts = []
    models = list(dict.fromkeys(run.partition("/")[0] for run in curves))
    paint = dict(colours) | {
        m: f"var(--m{1 + i % 7})" for i, m in enumerate(models) if m not in colours
    }
    for name, title in PANELS:
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
                series += [Series(model, paint[model], smooth(r), dashed=True) for r in runs]
            if runs:
                series.append(Series(model, paint[model], smooth(_average(runs))))
        charts.append(line_chart(title, series, "step"))
    body = (
        f'{markup.legend({m: paint[m] for m in models})}<div class="plots">{"".join(charts)}</div>'
    )
    return section(
        "Learning",
        "On training questions, smoothed. Thick: mean over seeds; thin: single seeds.",
        body if any(charts) else "",
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
) -> str:
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
                f"What the {who}'s payoffs say, and what is true",
                series,
                "stated payoff, rounded",
                "true payoff, mean",
                dots=True,
                diagonal=True,
            )
        )
    body = f'{markup.legend(colours)}<div class="plots">{"".join(charts)}</div>'
    return section(
        "Inside the chain",
        "Where the tokens go, and whether the matrices that the models write are right: if they "
        "are, the lines rise along the dashed diagonal.",
        body if any(charts) else "",
    )
