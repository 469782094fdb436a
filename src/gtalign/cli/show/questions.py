"""Files of questions on a terminal, with control characters in them made harmless."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from gtalign.cli.show.table import clean, plain_table, print_table, wide_console
from gtalign.data.build import Built
from gtalign.data.check import Checked
from gtalign.data.inspect import Summary, is_hidden, label
from gtalign.data.mixture import Mixed
from gtalign.data.rows import is_jsonl
from gtalign.data.sources import Source
from gtalign.tasks import Question

_WIDTH = 400  # characters shown of a question
_QUANTILES = {"median": 0.5, "90%": 0.9, "largest": 1.0}


def print_sources(sources: Iterable[Source]) -> None:
    """Print the public sets with the facts of each."""
    console = wide_console()
    for source in sources:
        console.print(Text(source.name, style="bold"))
        for name, value in source.to_json().items():
            if name != "set" and value is not None:
                console.print(_text(f"  {name}: {value}"), soft_wrap=True)


def print_built(built: Built) -> None:
    """Tell which files of a set were written, and how many rows were left out."""
    for path, rows in built.files.items():
        typer.echo(f"{path}: {rows} rows", err=True)
    for reason, count in built.left_out.items():
        typer.echo(f"{built.name}: {count} of {built.read} rows left out: {reason}", err=True)


def print_summary(file: Path, found: Mapping[str, Summary], *, show_harmful: bool) -> None:
    """Print the summary of a file by task, and samples of its questions."""
    console = wide_console()
    print_table(console, f"{file.name}; lengths are in words and turns", _summary_table(found))
    for summary in found.values():
        for question in summary.samples:
            console.print(_sample(question, show_harmful), soft_wrap=True)


def print_checked(found: Checked) -> None:
    """Print the problems of files, their duplicates, and what test files share with them."""
    console = wide_console()
    table = plain_table(("rows", "wrong", "problems"), first="file")
    for path, report in found.reports.items():
        table.add_row(path.name, str(report.rows), str(report.wrong_rows), str(report.count))
    print_table(console, "rows", table)
    for path, report in found.reports.items():
        for problem in report.problems:
            # Text has lines, which are counted from 1; a table has rows, from 0.
            row = f", line {(problem.row or 0) + 1}" if is_jsonl(path) else f", row {problem.row}"
            row = "" if problem.row is None else row
            column = f", column {problem.column}" if problem.column else ""
            console.print(_text(f"{path}{row}{column}: {problem.what}"), soft_wrap=True)
        if report.count > len(report.problems):
            more = report.count - len(report.problems)
            console.print(_text(f"{path}: and {more} more problems"), soft_wrap=True)
    near = f"near (Jaccard {found.config.threshold:g})"
    table = plain_table(("rows", "exact", near), first="file")
    for path, repeats in found.repeats.items():
        table.add_row(path.name, str(repeats.rows), str(repeats.exact), str(repeats.near))
    print_table(console, "rows that repeat an earlier one", table)
    if found.shared:
        names = ("rows", "source prompt", "exact", near, "any of them")
        table = plain_table(names, first="test file")
        for path, shared in found.shared:
            counts = (shared.rows, shared.source, shared.exact, shared.near, shared.either)
            table.add_row(path.name, *map(str, counts))
        print_table(console, "rows of a test file that share", table)


def print_mixed(file: Path, mixed: Mixed) -> None:
    """Print the tasks of a mixture on stdout, and what was left out on stderr."""
    total = sum(mixed.rows.values())
    table = plain_table(("rows", "share", "of"))
    for task, rows in mixed.rows.items():
        table.add_row(clean(task), str(rows), f"{rows / total:.1%}", str(mixed.available[task]))
    print_table(wide_console(), f"{file}: {total} rows", table)
    for reason, count in mixed.left_out.items():
        typer.echo(f"{count} rows left out: {reason}", err=True)


def _summary_table(found: Mapping[str, Summary]) -> Table:
    columns = ("rows", "sources", "split", "labels", "length", "words", "turns", "truth")
    table = plain_table(columns)
    for task, summary in found.items():
        lengths = (summary.words, summary.turns, summary.truth_words)
        table.add_row(
            clean(task),
            str(summary.rows),
            str(len(summary.sources)),
            "\n".join(clean(f"{name} {count}") for name, count in summary.splits.items()),
            "\n".join(f"{name} {count}" for name, count in summary.labels.items()),
            "\n".join(_QUANTILES),
            *("\n".join(str(x.quantile(q)) for q in _QUANTILES.values()) for x in lengths),
        )
    return table


def _sample(question: Question, show_harmful: bool) -> Text:
    if is_hidden(question) and not show_harmful:
        shown = "(a harmful request, hidden; --show-harmful shows it)"
    else:
        text = " ".join(question.text.split())
        shown = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
    kind = label(question)
    known = "" if kind == "none" else f" [{kind}]"
    return _text(f"{question.id}{known}: {shown}")


def _text(text: str) -> Text:
    return Text(clean(text))
