"""The report of one training run: what it gained, its curves, some answers and its settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gtalign import __version__
from gtalign.config import Config, dump
from gtalign.drawing import Markup, element, fixed, interval
from gtalign.evaluation import charts, markup
from gtalign.evaluation.conversation import conversation
from gtalign.evaluation.markup import Cell, Row, fold, section
from gtalign.evaluation.page import write_page
from gtalign.evaluation.statistics import FEW, LEAST, known_interval
from gtalign.tasks import task_named
from gtalign.training.metrics import read_metrics
from gtalign.transcripts import Transcript, read_transcripts
from gtalign.transcripts.learned import Learned
from gtalign.transcripts.summary import TaskSums

_TRAINING: Final = "training"
_HELD_OUT: Final = "held out"

Metrics = Sequence[dict[str, float]]


def report_training(
    out: Path, settings: Config, *, title: str, command: str, found: Learned | None = None
) -> Path:
    """Write ``report.html`` of a run of supervised training or reinforcement learning.

    Args:
        out: The run directory, with ``metrics.jsonl``, and ``held_out.jsonl`` and
            ``transcripts.jsonl`` where the run has them.
        settings: Configuration of the run.
        title: Heading of the page.
        command: The command line.
        found: The scores of the run's completions; None where it wrote none.

    Returns:
        The page's path.

    Raises:
        DataError: A file of the run is wrong.
        StorageError: The page cannot be written.
    """
    metrics, held_out = (read_metrics(out / name) for name in ("metrics.jsonl", "held_out.jsonl"))
    runs = {_TRAINING: metrics, _HELD_OUT: held_out}
    curves = {name: rows for name, rows in runs.items() if rows}
    path = out / "report.html"
    write_page(
        path,
        title=title,
        headline=_sentences(metrics, held_out, found),
        sections=[
            *([] if found is None else [_gained(found)]),
            charts.learning(curves, {}, "Means of each step, smoothed."),
            _answers(out / "transcripts.jsonl"),
            _made(settings, command),
        ],
    )
    return path


def _sentences(metrics: Metrics, held_out: Metrics, found: Learned | None) -> list[str]:
    """What the run came to, in a few sentences; the first is what must not be missed."""
    said = []
    if found is not None:
        first, last = (part.total.mean("mutual_welfare") for part in (found.first, found.last))
        if found.problem is not None:
            said.append(found.problem)
        if first is not None and last is not None:
            said.append(
                f"Mutual welfare W was {fixed(first)} in the first quarter of the completions and"
                f" {fixed(last)} in the last: {fixed(last - first, sign=True)}."
            )
        total = found.whole.total
        said.append(
            f"Of {total.rows:,} completions {total.malformed:,} are malformed and"
            f" {total.unscored:,} have no score."
        )
    elif len(losses := [row["loss"] for row in metrics if "loss" in row]) > 1:
        said.append(f"The loss was {fixed(losses[0])} at first and {fixed(losses[-1])} at last.")
    held = [row for row in held_out if "welfare/mutual_welfare" in row]
    if held:
        steps = [held[0], held[-1]][: len(held)]
        values = (f"{fixed(r['welfare/mutual_welfare'])} at step {r['step']:.0f}" for r in steps)
        said.append(f"On held-out questions W is {' and '.join(values)}.")
    return said or ["The run has written no metrics yet."]


def _gained(found: Learned) -> Markup:
    parts = found.parts()
    few = any(0 < len(sums.clusters) < LEAST for sums in parts.values())
    return section(
        "Gains",
        "Means over the completions of training, with the 95% interval of W over questions."
        + (f" {FEW}" if few else ""),
        markup.table(
            ["", "Answers", "Quality", "U", "L", "W", "Unscored", "Malformed"],
            [_row(name, sums) for name, sums in parts.items()],
        ),
    )


def _row(name: str, sums: TaskSums) -> Row:
    quality, user, llm, mutual = (
        fixed(sums.mean(measure))
        for measure in ("quality", "user_welfare", "llm_welfare", "mutual_welfare")
    )
    found = known_interval(*sums.of_clusters())
    ends = "" if found is None else interval(found.low, found.high, 3)
    counts = (sums.rows, sums.unscored, sums.malformed)
    rows, unscored, malformed = (Cell(f"{count:,}") for count in counts)
    welfare = Cell((mutual, markup.small([ends])))
    return Row(name, [rows, Cell(quality), Cell(user), Cell(llm), welfare, unscored, malformed])


def _answers(file: Path) -> Markup:
    """Answers of the last step: the best, the worst and the one between.

    Published harmful requests are real and are not quoted.
    """
    last: list[Transcript] = []
    for transcript in read_transcripts(file) if file.exists() else ():
        if last and transcript.extra.get("step") != last[0].extra.get("step"):
            last.clear()
        last.append(transcript)
    shown = [t for t in last if task_named(t.task).kind != "safety" and t.unscored is None]
    shown.sort(key=lambda t: t.mutual_welfare or 0.0)
    # Of one or two answers some places are the same.
    names = {len(shown) // 2: "in the middle", 0: "lowest W", len(shown) - 1: "highest W"}
    places = sorted(names, reverse=True) if shown else ()
    talks = [conversation(shown[place], (), names[place]) for place in places]
    return section(
        "Answers",
        "From the last step of training.",
        element("div", talks, class_="talks") if talks else None,
    )


def _made(settings: Config, command: str) -> Markup:
    facts = {"command": command, "version": f"gtalign {__version__}"}
    listed = [(element("dt", name), element("dd", value)) for name, value in facts.items()]
    return section(
        "How this was run",
        "The command and every setting, as the run directory's config.toml has them.",
        element("dl", listed, class_="facts"),
        fold("Settings", element("pre", dump(settings))),
    )
