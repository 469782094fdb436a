"""Faithfulness on a terminal: the summary in few lines, and every table."""

from collections.abc import Iterable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.cli.show.scored import say
from gtalign.cli.show.table import clean
from gtalign.drawing import NONE, fixed, interval, share
from gtalign.evaluation.faithfulness.measures import LINKS, SHARES, Faithfulness
from gtalign.evaluation.statistics import Interval


def print_faithfulness(
    console: Console, found: Faithfulness, file: Path, *, tables: bool = False
) -> None:
    """Print how faithful a model is.

    Args:
        console: Where to.
        found: The measures.
        file: The transcripts.
        tables: Whether to print every link of every edit.
    """
    print_links(console, found, tables=tables)
    say(console, _unsteered(found))
    if tables:
        say(console, f"refusals among unsteered answers: {_percent(found.refused())}")
    say(console, f"{'' if tables else '--tables prints every link; '}answers: {file}")


def print_links(console: Console, found: Faithfulness, *, tables: bool = True) -> None:
    """Print how often a model follows its matrices, link by link and edit by edit.

    Args:
        console: Where to.
        found: The measures.
        tables: Whether to print every link of every edit.
    """
    problem = failure(found)
    say(console, problem or f"Does the matrix cause the answer? {clean(found.model)}", "bold")
    console.print(_summary(found))
    say(console, "F_ID: the optimum as written is carried out; F_strong: the optimum as edited")
    console.print(_edits(found, every=tables))


def failure(found: Faithfulness) -> str | None:
    """Why there is no result, in one line; None if there is one."""
    if found.without_matrix().value == 1:
        return "No result: the model wrote no payoff matrix that can be read."
    if all(found.agreement(m, "whole", "as written").value is None for m in found.modes):
        return "No result: no action can be read from any response."
    return None


def _summary(found: Faithfulness) -> Table:
    table = _table("", found.modes)
    for name, optimum in SHARES.items():
        _add(table, name, [found.agreement(m, "whole", optimum) for m in found.modes])
    _add(table, "gap", (found.gap(m, "whole") for m in found.modes), sign=True)
    for link in ("analysis", "response"):
        shares = (found.agreement(m, link, "moved") for m in found.modes)
        _add(table, f"F_strong, {LINKS[link]}", shares)
    _add(table, "false moves", map(found.false_moves, found.modes))
    _add(table, "unread answers", map(found.unread, found.modes))
    return table


def _edits(found: Faithfulness, *, every: bool) -> Table:
    """How often each edit is followed; of one that must change nothing, how often it does."""
    links = tuple(LINKS) if every else ("whole",)
    heads = [f"{m}: {LINKS[link]}" if every else m for m in found.modes for link in links]
    table = _table("edit", [*heads, *(f"{m}: false moves" for m in found.modes)])
    for edit in found.edits:
        shares = [found.agreement(m, link, "moved", edit) for m in found.modes for link in links]
        shares += [found.false_moves(m, edit) for m in found.modes]
        table.add_row(
            clean(edit), *(NONE if s.value is None else share(s.value, 1) for s in shares)
        )
    return table


def _unsteered(found: Faithfulness) -> str:
    welfare, quality = found.welfare, found.quality
    parts = [f"{found.questions} questions, {_percent(found.without_matrix())} without matrix"]
    if welfare.value is not None:
        reach = interval(welfare.low, welfare.high, 3)
        scored = sum(one.mutual_welfare is not None for one in found.unsteered)
        of = "" if scored == len(found.unsteered) else f" of the {scored} that could be scored"
        parts.append(f"unsteered W {fixed(welfare.value)} {reach}, Q {fixed(quality.value)}{of}")
    return "; ".join(parts)


def _percent(found: Interval) -> str:
    return NONE if found.value is None else share(found.value, 1)


def _table(first: str, columns: Iterable[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _add(table: Table, name: str, shares: Iterable[Interval], *, sign: bool = False) -> None:
    texts = (
        f"{fixed(s.value, 2, sign=sign)} {interval(s.low, s.high, 2, sign=sign)}" for s in shares
    )
    table.add_row(name, *texts)
