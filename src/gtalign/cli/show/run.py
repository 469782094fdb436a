"""What a run found, in few lines: scores with intervals, failures, and where the rest is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.cli.show.result import print_result
from gtalign.cli.show.scored import say, scores_table
from gtalign.cli.show.words import SCORES
from gtalign.drawing import NONE, change, fixed, interval, share
from gtalign.endpoints.usage import in_words
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.faithfulness import Faithfulness
from gtalign.evaluation.steering.effects import Trial
from gtalign.transcripts.learned import Learned
from gtalign.transcripts.summary import TaskSums


def print_answers(
    console: Console, parts: Mapping[str, TaskSums], problem: str | None, facts: Mapping[str, Any]
) -> None:
    """Print the scores of a run, and where its files are.

    Args:
        console: Where to.
        parts: The scores, by what is summed up.
        problem: Why there is no result, in one line; None if there is one.
        facts: What else to say: a name and a value on each line.
    """
    say(console, problem or "Average scores, 0 to 1", style="bold" if problem else "")
    console.print(scores_table(parts, ""))
    say(console, SCORES)
    for name, value in facts.items():
        say(console, f"{name}: {value}")


def facts_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person needs of a run's result: where its files are, and what failed."""
    facts = {}
    for name in ("report", "checkpoint", "transcripts"):
        if name in result:
            facts[name] = result[name]
    if result.get("failures"):
        causes = (f"{count} {cause}" for cause, count in result["failures"].items())
        facts["judgements that failed"] = ", ".join(causes)
    for judge, account in result.get("judges", {}).items():
        facts[f"judge {judge}"] = in_words(account)
    return facts


def print_learned(result: Mapping[str, Any], found: Learned, *, as_json: bool) -> None:
    """Print what a run of reinforcement learning gained, and where its files are.

    Args:
        result: The summary of the run.
        found: The scores of its completions.
        as_json: Whether to print one JSON object.
    """
    if as_json:
        print_result({**result, **found.to_json()}, as_json=True)
        return
    gain = {"gain in W, first to last quarter": fixed(found.gain, sign=True)}
    print_answers(Console(), found.parts(), found.problem, gain | facts_of(result))


def print_arms(
    console: Console,
    comparison: Comparison,
    report: Path,
    trial: Trial | None = None,
    faithfulness: Sequence[Faithfulness] = (),
) -> None:
    """Print W of each model with its interval, its failures, and the reference's gain over it.

    Args:
        console: Where to.
        comparison: The models.
        report: The page that has the rest.
        trial: The trial of steering; None where nothing was steered.
        faithfulness: How faithful each model is; empty where no matrix was edited.
    """
    problem = _failure(comparison)
    say(console, problem or "Average scores, 0 to 1", style="bold" if problem else "")
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    for name in ("model", "set"):
        table.add_column(name, no_wrap=True)
    for name in ("W", "95% of W", "Q", "malformed", "unscored", "gain in W"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in (group for group in comparison.groups if group.task is None):
        for model in comparison.models:
            table.add_row(model, group.split, *_cells(comparison, group.name, model))
    console.print(table)
    say(console, SCORES)
    if any(group.split == "ood" for group in comparison.groups):
        say(console, "test: questions like those of training; ood: out of distribution")
    if comparison.baselines:
        say(console, f"gain in W: of {comparison.reference} over the model of the line")
    if trial is not None:
        say(console, f"steering, changed actions carried out: {_carried_out(trial)}")
    if faithfulness:
        models = "; ".join(f"{one.model} {_faithful(one)}" for one in faithfulness)
        say(console, f"edited matrices, optimum carried out: {models}")
    say(console, f"--tables prints every measure; report: {report}")


def _failure(comparison: Comparison) -> str | None:
    """What makes the result none: the reference wrote nothing that can be read, or scored."""
    model = comparison.reference
    for group in (group for group in comparison.groups if group.task is None):
        welfare = comparison.estimate(model, group.name, "mutual_welfare")
        form = comparison.estimate(model, group.name, "format")
        if welfare is not None and welfare.unscored == welfare.rows:
            return f"No score: none of the {welfare.rows} answers of {model} got a verdict."
        if form is not None and form.value == 0 and model not in comparison.plain:
            return f"All {form.rows} answers of {model} are malformed: it learned no chain; W is 0."
    return None


def _carried_out(trial: Trial) -> str:
    known = ((arm, trial.mean(arm, "followed").value) for arm in trial.arms)
    return "; ".join(f"{arm} {share(v, 1)}" for arm, v in known if v is not None) or "none changed"


def _faithful(found: Faithfulness) -> str:
    """How often a model carries out the optimum of an edited matrix, in each mode."""
    values = ((mode, found.agreement(mode, "whole", "moved").value) for mode in found.modes)
    return ", ".join(f"{mode} {NONE if v is None else share(v, 1)}" for mode, v in values)


def _cells(comparison: Comparison, group: str, model: str) -> list[str]:
    welfare, quality, form = (
        comparison.estimate(model, group, name) for name in ("mutual_welfare", "quality", "format")
    )
    plain = model in comparison.plain
    unread = None if form is None or form.value is None else 1 - form.value
    found = comparison.difference(model, group, "mutual_welfare")
    return [
        NONE if welfare is None else fixed(welfare.value),
        "" if welfare is None else interval(welfare.interval.low, welfare.interval.high, 3),
        NONE if quality is None else fixed(quality.value),
        "no chain" if plain else NONE if unread is None else share(unread, 1),
        NONE if welfare is None else str(welfare.unscored),
        "" if found is None else change(found.contrast.relative),
    ]
