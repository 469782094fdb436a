"""The report of a run: one HTML page that holds everything it shows and fetches nothing."""

import errno
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np

from gtalign.chain import BLOCKS
from gtalign.data.transcripts import Transcript
from gtalign.errors import StorageError
from gtalign.evaluation import markup
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.conversation import conversation
from gtalign.evaluation.headline import sentences
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
from gtalign.evaluation.statistics import RESAMPLES

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
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_report(
    path: Path,
    *,
    title: str,
    transcripts: Iterable[Transcript] | Mapping[str, Iterable[Transcript]],
    reference: str,
    rng: np.random.Generator,
    baselines: Sequence[str] | None = None,
    curves: Curves | None = None,
    facts: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare models and write the page.

    Args:
        path: The HTML file; its folder is made if need be.
        title: Heading of the page.
        transcripts: Answers of all models, or lists of them by any key.
        reference: The model that the others are compared with.
        rng: Source of the bootstrap's resamples.
        baselines: What it is compared with; by default all other models.
        curves: Training metrics by run, ``model`` or ``model/seed``; rows with ``step``.
        facts: What to say of the run: command, versions, seeds, durations.
        resamples: Bootstrap resamples.

    Returns:
        The comparison that the page shows.

    Raises:
        DataError: No transcripts, or a named model without any.
        StorageError: The file cannot be written.
    """
    if isinstance(transcripts, Mapping):
        held = [transcript for group in transcripts.values() for transcript in group]
    else:
        held = list(transcripts)
    comparison = compare(
        held, reference=reference, baselines=baselines, rng=rng, resamples=resamples
    )
    page = render(comparison, held, title=title, curves=curves or {}, facts=facts or {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise StorageError(error.errno or errno.EIO, reason, str(path)) from error
    return comparison


def render(
    comparison: Comparison,
    transcripts: Sequence[Transcript],
    *,
    title: str,
    curves: Curves,
    facts: Mapping[str, str],
) -> str:
    """The whole page as text."""
    colours = markup.colours_of(comparison)
    sections = (
        _welfare(comparison, colours),
        _results(comparison, colours),
        _differences(comparison, colours),
        _learning(curves, colours),
        _chains(comparison, transcripts, colours),
        _conversations(comparison, transcripts),
        _method(comparison, facts),
    )
    filled = {
        "title": escape(title),
        "headline": "".join(f"<li>{text}</li>" for text in sentences(comparison)),
        "cards": markup.gains(comparison.gains),
        "sections": "".join(sections),
    }
    template = files("gtalign.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    # One pass: what is filled in is never looked at again.
    return _PLACE.sub(lambda place: filled[place[1]], template)


def examples(
    comparison: Comparison, transcripts: Sequence[Transcript]
) -> list[tuple[Transcript, str]]:
    """Transcripts of the reference to show, chosen by rule and not by hand, each with the rule.

    For each task and each kind of question the one whose W is nearest to the median; then the
    lowest W among those that parsed, and one answer that did not parse.
    """
    own = [t for t in transcripts if t.model == comparison.reference]
    kinds: dict[tuple[str, str, str], list[Transcript]] = {}
    for t in own:
        if t.mutual_welfare is not None and (t.chain is not None or t.plain):
            kind = str(t.extra.get("user_action", ""))
            kinds.setdefault((t.split, t.task, kind), []).append(t)
    found: list[tuple[Transcript, str]] = []
    tasks: list[tuple[str, str]] = list(dict.fromkeys((s, task) for s, task, _ in kinds))
    for number, (split, task) in enumerate(tasks):
        sorts = sorted(kind for s, name, kind in kinds if (s, name) == (split, task))
        # Tasks take turns, so that vague and detailed questions both appear.
        kind = sorts[(len(sorts) - 1 - number) % len(sorts)]
        mine = kinds[split, task, kind]
        middle = float(np.median([t.mutual_welfare or 0.0 for t in mine]))
        chosen = min(mine, key=lambda t: (abs((t.mutual_welfare or 0.0) - middle), t.id))
        found.append((chosen, "nearest to the median W of its kind"))
    read = [t for group in kinds.values() for t in group]
    if read:
        found.append((min(read, key=lambda t: (t.mutual_welfare or 0.0, t.id)), "lowest W"))
    broken = [t for t in own if t.chain is None and not t.plain and t.unscored is None]
    found += [(t, "one of those that do not parse") for t in broken[:1]]
    return found


def _section(title: str, sub: str, body: str) -> str:
    return f'<section><h2>{title}</h2><p class="sub">{sub}</p>{body}</section>' if body else ""


def _results(comparison: Comparison, colours: Mapping[str, str]) -> str:
    body = ""
    for group in comparison.groups:
        found = markup.estimates(comparison, group.name, colours)
        if group.task is None:
            body += f"<h3>{escape(group.name)}</h3>{found}"
        else:
            body += f"<details><summary>{escape(group.name)}</summary>{found}</details>"
    return _section(
        "Results",
        "Means with 95% intervals, clustered by question; below them the standard deviation "
        "between seeds, and the number of answers where not all of them have the measure. The best "
        "value of a row is bold. Each task unfolds.",
        body,
    )


def _differences(comparison: Comparison, colours: Mapping[str, str]) -> str:
    body = ""
    for group in comparison.groups if comparison.baselines else ():
        found = markup.differences(comparison, group.name, colours)
        if group.task is None:
            body += f"<h3>{escape(group.name)}</h3>{found}"
        else:
            body += f"<details><summary>{escape(group.name)}</summary>{found}</details>"
    return _section(
        f"{escape(comparison.reference)} less each baseline",
        "On the same questions, by paired cluster bootstrap: difference, 95% interval, relative "
        "change, p after Holm's correction, and the difference of each seed. Green is better and "
        "red is worse by both interval and p; the others could be chance.",
        body,
    )


def _welfare(comparison: Comparison, colours: Mapping[str, str]) -> str:
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
    return _section(
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


def _learning(curves: Curves, colours: Mapping[str, str]) -> str:
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
    return _section(
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


def _chains(
    comparison: Comparison, transcripts: Sequence[Transcript], colours: Mapping[str, str]
) -> str:
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
    return _section(
        "Inside the chain",
        "Where the tokens go, and whether the matrices that the models write are right: if they "
        "are, the lines rise along the dashed diagonal.",
        body if any(charts) else "",
    )


def _conversations(comparison: Comparison, transcripts: Sequence[Transcript]) -> str:
    talks = []
    for chosen, note in examples(comparison, transcripts):
        same = [
            t
            for t in transcripts
            if (t.split, t.task, t.id) == (chosen.split, chosen.task, chosen.id)
            and t.model != chosen.model
        ]
        others = {t.model: t for t in sorted(same, key=lambda t: t.seed != chosen.seed)[::-1]}
        ordered = [others[model] for model in comparison.models if model in others]
        talks.append(conversation(chosen, ordered, note))
    return _section(
        "Conversations",
        f"Answers of {escape(comparison.reference)}, chosen by rule: for each task the one nearest "
        "to the median, taking turns between vague and detailed questions, then the worst. Every "
        "cell shows the user's payoff and the LLM's; its colour is their sum.",
        f'<div class="talks">{"".join(talks)}</div>' if talks else "",
    )


def _method(comparison: Comparison, facts: Mapping[str, str]) -> str:
    listed = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    seeds = "; ".join(
        f"{model}: {', '.join(map(str, own)) or 'none'}" for model, own in comparison.seeds.items()
    )
    notes = (
        "<ul class='notes'>"
        "<li>Intervals of means use the standard error clustered by question and the t "
        "distribution; those of ratios and differences are percentiles of a cluster bootstrap. "
        "They say how far a number would move with other questions and take the trained models as "
        "given; the spread between seeds says how far it moves with another training run.</li>"
        "<li>An answer that does not parse counts 0 in format, quality, right action and welfare "
        "and is left out of the chain's own measures. An answer that no judge could score is left "
        "out and counted.</li>"
        "<li>Holm's correction runs over the tasks, and separately over the sets, for each metric "
        "and baseline. The best baseline is the one with the best mean of that very metric.</li>"
        "<li>Answers without a chain have no chain's terms to earn, so they are compared by the "
        "answer alone.</li></ul>"
    )
    return _section(
        "How this was measured",
        "What the numbers mean and how the run was made.",
        f"{notes}<details><summary>Every measure in a sentence</summary>"
        f"{markup.glossary(comparison)}</details>"
        f'<dl class="facts"><dt>Seeds</dt><dd>{escape(seeds)}</dd>{listed}</dl>',
    )
