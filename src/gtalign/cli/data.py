"""``gtalign data``: build, inspect, check and mix files of questions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gtalign.cli import AsJson
from gtalign.cli.show.table import print_table
from gtalign.config import load
from gtalign.data.build import build as build_source
from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.inspect import Summary, inspect_rows, is_hidden, label
from gtalign.data.leakage import By, Known, leakage
from gtalign.data.mixture import MixtureConfig
from gtalign.data.mixture import mix as mix_files
from gtalign.data.rows import read_rows
from gtalign.data.sources import SOURCES, Source
from gtalign.data.validate import Report, validate
from gtalign.errors import DataError
from gtalign.tasks import Question

app = typer.Typer(add_completion=False)

BAD_INPUT = 2
_WIDTH = 400
_QUANTILES = {"median": 0.5, "90%": 0.9, "largest": 1.0}

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parquet or JSON Lines.")]
CompareBy = Annotated[
    By, typer.Option("--by", help="What is compared: the last turn, or all of them.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the configuration."),
]


@app.callback()
def command() -> None:
    """Files of questions in verl's schema: build, inspect, check and mix them.

    Examples:
        gtalign data build                                     (lists the public sets)
        gtalign data build ambig_qa --to data
        gtalign data inspect data/ambig_qa-train.parquet
        gtalign data check data/ambig_qa-train.parquet --test data/ambig_qa-test.parquet
        gtalign data mix data/*-train.parquet --to mix-train.parquet --set temperature=2
    """


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SET...]", help="None lists them.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("data"),
    source: Annotated[
        str | None,
        typer.Option(help="A file, a folder, a URL or a name on the hub to read one set from."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Most source prompts; by default the published size.")
    ] = None,
    test_share: Annotated[float, typer.Option(help="Share of them to be tested on.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and the split.")] = 0,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="JSON Lines instead of parquet.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Ask for no chain.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the files of public sets from their sources; without a name, list the sets.

    Examples:
        gtalign data build
        gtalign data build ambig_qa minerva --to data
        gtalign data build math-level-5 --source MATH-Hard.parquet --size 500
    """
    if not names:
        _list_sources(as_json)
        return
    unknown = [name for name in names if name not in SOURCES]
    if unknown:
        raise DataError(f"no set {unknown[0]!r}; the sets are {', '.join(SOURCES)}")
    if source is not None and len(names) > 1:
        raise DataError(f"--source is the place of one set; {len(names)} are named")
    results = []
    for name in names:
        built = build_source(
            SOURCES[name],
            to,
            location=source,
            size=size,
            test_share=test_share,
            seed=seed,
            suffix=".jsonl" if jsonl else ".parquet",
            chain=not plain,
        )
        files = {str(path): rows for path, rows in built.files.items()}
        left_out = dict(built.left_out)
        results.append({"set": name, "read": built.read, "files": files, "left_out": left_out})
        for path, rows in files.items():
            typer.echo(f"{path}: {rows} rows", err=True)
        for reason, count in left_out.items():
            typer.echo(f"{name}: {count} of {built.read} rows left out: {reason}", err=True)
    if as_json:
        print(json.dumps(results))


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="Parquet or JSON Lines.")],
    samples: Annotated[int, typer.Option(min=0, help="Questions to show of each task.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
    show_harmful: Annotated[
        bool, typer.Option("--show-harmful", help="Show harmful requests as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a file holds: counts, lengths, labels and samples of each task.

    Example:
        gtalign data inspect wildguard-train.parquet --samples 5
    """
    found = inspect_rows(file, samples=samples, seed=seed)
    if as_json:
        tasks = {task: s.to_json(show_harmful=show_harmful) for task, s in found.items()}
        print(json.dumps({"file": str(file), "tasks": tasks}))
        return
    console = _console()
    title = f"{file.name}; lengths are in words and turns"
    print_table(console, title, _summary_table(found))
    for summary in found.values():
        for question in summary.samples:
            console.print(_sample(question, show_harmful), soft_wrap=True)


@app.command()
def check(
    files: Files,
    tests: Annotated[
        list[Path] | None,
        typer.Option("--test", help="A file to be tested on; counts what it shares with FILE."),
    ] = None,
    by: CompareBy = "question",
    overrides: Overrides = None,
    limit: Annotated[int, typer.Option(min=1, help="Most problems to print of a file.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Check rows, find duplicates within the files, and what test files share with them.

    Exit code 2 if a row is wrong. Duplicates and shared questions are counted, not refused.
    The keys of --set are threshold, shingle, hashes and seed.

    Examples:
        gtalign data check math-hard-train.parquet --test math-hard-test.parquet
        gtalign data check *-train.parquet --set threshold=0.7 --by conversation --json
    """
    config = load(DuplicateConfig, None, overrides or ())
    known = Known(config, by)
    tests = tests or []
    reports = {path: validate(path, limit) for path in dict.fromkeys([*files, *tests])}
    # A file that cannot be read as questions is described and left out of what follows.
    whole = {path: report.count == 0 or _readable(path) for path, report in reports.items()}
    duplicates = [_duplicates(path, known) for path in dict.fromkeys(files) if whole[path]]
    shared = [
        {"test": str(path), **asdict(leakage(read_rows(path), known))}
        for path in tests
        if whole[path]
    ]
    result = {
        "files": [_report(path, report) for path, report in reports.items()],
        "compared": {"by": by, **config.model_dump()},
        "duplicates": duplicates,
        "shared": shared,
    }
    if as_json:
        print(json.dumps(result))
    else:
        _print_check(reports, duplicates, shared, config)
    if any(report.count for report in reports.values()):
        raise typer.Exit(BAD_INPUT)


@app.command()
def mix(
    files: Files,
    to: Annotated[Path, typer.Option(help="The file to write: parquet, or .jsonl.")],
    tests: Annotated[
        list[Path] | None,
        typer.Option("--without", help="A file to be tested on: what it shares is left out."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of the mixture.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Mix the tasks of several files in given shares, with our prompt.

    The keys of --set are weights.TASK, temperature, size, repeat, distinct, by, chain, seed and
    duplicates.threshold.

    Examples:
        gtalign data mix *-train.parquet --to mix-train.parquet --set temperature=2
        gtalign data mix a.parquet b.parquet --to mix.jsonl --set weights.medium=2 \
            --set weights.math-hard=1 --set size=1000 --without a-test.parquet
    """
    if to in files:  # of an earlier run, which a pattern names too
        typer.echo(f"{to} is what is written, and not read", err=True)
        files = [file for file in files if file != to]
        if not files:
            raise DataError(f"{to}: name the files to mix besides the one to write")
    mixed = mix_files(files, to, load(MixtureConfig, config, overrides or ()), tests or ())
    if as_json:
        print(json.dumps({"file": str(to), **asdict(mixed)}))
        return
    table = _table(("rows", "share", "of"))
    for task, rows in mixed.rows.items():
        share = rows / sum(mixed.rows.values())
        table.add_row(_clean(task), str(rows), f"{share:.1%}", str(mixed.available[task]))
    print_table(_console(), f"{to}: {sum(mixed.rows.values())} rows", table)
    for reason, count in mixed.left_out.items():
        typer.echo(f"{count} rows left out: {reason}", err=True)


def _readable(path: Path) -> bool:
    """Whether each row of a file makes a question, for all that is wrong with it."""
    try:
        for _ in read_rows(path):
            pass
    except DataError:
        return False
    return True


def _duplicates(path: Path, known: Known) -> dict[str, Any]:
    matches = [known.add(question) for question in read_rows(path)]
    found = [match for match in matches if match is not None]
    exact = sum(match.exact for match in found)
    return {"file": str(path), "rows": len(matches), "exact": exact, "near": len(found) - exact}


def _report(path: Path, report: Report) -> dict[str, Any]:
    return {
        "file": str(path),
        "rows": report.rows,
        "wrong_rows": report.wrong_rows,
        "problem_count": report.count,
        "problems": [problem.to_json() for problem in report.problems],
    }


def _print_check(
    reports: dict[Path, Report],
    duplicates: Sequence[dict[str, Any]],
    shared: Sequence[dict[str, Any]],
    config: DuplicateConfig,
) -> None:
    console = _console()
    table = _table(("rows", "wrong", "problems"), first="file")
    for path, report in reports.items():
        table.add_row(path.name, str(report.rows), str(report.wrong_rows), str(report.count))
    print_table(console, "rows", table)
    for path, report in reports.items():
        for problem in report.problems:
            row = "" if problem.row is None else f", row {problem.row}"
            column = f", column {problem.column}" if problem.column else ""
            console.print(_text(f"{path}{row}{column}: {problem.what}"), soft_wrap=True)
        if report.count > len(report.problems):
            more = report.count - len(report.problems)
            console.print(_text(f"{path}: and {more} more problems"), soft_wrap=True)
    near = f"near (Jaccard {config.threshold:g})"
    table = _table(("rows", "exact", near), first="file")
    for found in duplicates:
        cells = (str(found[name]) for name in ("rows", "exact", "near"))
        table.add_row(Path(found["file"]).name, *cells)
    print_table(console, "rows that repeat an earlier one", table)
    if shared:
        names = ("rows", "source prompt", "exact", near, "any of them")
        table = _table(names, first="test file")
        for found in shared:
            cells = (str(found[name]) for name in ("rows", "source", "exact", "near", "either"))
            table.add_row(Path(found["test"]).name, *cells)
        print_table(console, "rows of a test file that share", table)


def _list_sources(as_json: bool) -> None:
    if as_json:
        print(json.dumps([_facts(source) for source in SOURCES.values()]))
        return
    console = _console()
    for source in SOURCES.values():
        console.print(Text(source.name, style="bold"))
        for name, value in _facts(source).items():
            if name != "set" and value is not None:
                console.print(_text(f"  {name}: {value}"), soft_wrap=True)


def _facts(source: Source) -> dict[str, Any]:
    return {
        "set": source.name,
        "task": source.task,
        "source": source.address,
        "config": source.config,
        "split": source.split,
        "source_prompts": source.size,
        "files": "test" if source.tested_only else "train and test",
        "licence": source.licence,
        "citation": source.citation,
        "note": source.note or None,
    }


def _summary_table(found: dict[str, Summary]) -> Table:
    columns = ("rows", "sources", "split", "labels", "length", "words", "turns", "truth")
    table = _table(columns)
    for task, summary in found.items():
        lengths = (summary.words, summary.turns, summary.truth_words)
        table.add_row(
            _clean(task),
            str(summary.rows),
            str(len(summary.sources)),
            "\n".join(_clean(f"{name} {count}") for name, count in summary.splits.items()),
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


def _table(columns: Sequence[str], first: str = "task") -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _text(text: str) -> Text:
    return Text(_clean(text))


def _clean(text: str) -> str:
    """Return a text without what a terminal would obey; data may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _console() -> Console:
    # A file or a pipe has no width of its own: give the tables what they need.
    console = Console()
    return console if console.is_terminal else Console(width=160)
