"""Faithfulness as a section of a report: one plot, and the tables behind it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

from gtalign.drawing import COLOURS, Markup, Whisker, element, fixed, interval, interval_chart
from gtalign.evaluation.faithfulness.edits import AS_WRITTEN, EDITS
from gtalign.evaluation.faithfulness.measures import LINKS, SHARES, Faithfulness
from gtalign.evaluation.faithfulness.settings import Mode
from gtalign.evaluation.markup import Cell, Row, fold, plots, section, small, table
from gtalign.evaluation.statistics import Interval

MEASURES: Final[Mapping[str, str]] = {
    "F_ID": (
        "The response carries out an optimal action of the matrix as the model wrote it."
        " Of several optimal cells, each is right."
    ),
    "F_strong": "The same after an edit that moves the optimum to another action.",
    "Gap": "F_ID less F_strong: how much of the agreement the matrix does not cause.",
    "False moves": (
        "The response changes its action although the edit leaves the optimum where it was."
    ),
    "Unread": "No action can be read from the response; it counts neither for nor against.",
}
"""What each measure is, in a sentence."""


def faithfulness_section(found: Sequence[Faithfulness]) -> Markup:
    """The section of the page: a plot of all models, and the tables of each.

    Args:
        found: The measures of each model.
    """
    body: list[Markup | None] = [plots([_chart(found)]), _table(found)]
    body += [fold(f"{one.model}, edit by edit", _edits(one)) for one in found]
    rules = (EDITS[name] for name in EDITS if any(name in one.edits for one in found))
    notes = [*MEASURES.items(), *((rule.name, rule.says) for rule in (AS_WRITTEN, *rules))]
    lines = (element("li", element("strong", name), f": {says}") for name, says in notes)
    body.append(fold("Every measure and edit in a sentence", element("ul", lines, class_="notes")))
    advise, enforce = (element("code", mode) for mode in ("advise", "enforce"))
    return section(
        "Does the matrix cause the answer?",
        (
            "The model writes up to its payoff matrix; the matrix is edited by rule, and the ",
            "model goes on from there, once for each edit. ",
            (advise, " shows it the edited matrix alone; ", enforce, " also begins its analysis "),
            "with the optimal cell. A matrix that causes the answer has F_strong near F_ID and few "
            "false moves. Shares with 95% intervals, clustered by question.",
        ),
        *body,
    )


def _chart(found: Sequence[Faithfulness]) -> Markup:
    sets = []
    for mode in get_args(Mode):
        rows = []
        for place, one in enumerate(found):
            if mode not in one.modes:
                continue
            colour = COLOURS[place % len(COLOURS)]
            for name, optimum in SHARES.items():
                share = one.agreement(mode, "whole", optimum)
                if share.value is not None:
                    low = share.value if share.low is None else share.low
                    high = share.value if share.high is None else share.high
                    label = f"{one.model}, {name}"
                    rows.append(
                        Whisker(label, colour, share.value, low, high, strong=name == "F_strong")
                    )
        sets.append((mode, rows))
    title = "Share of responses that carry out an optimal action of the matrix before them"
    return interval_chart(title, sets, 2, within=(0.0, 1.0))


def _table(found: Sequence[Faithfulness]) -> Markup:
    columns = [(one, mode) for one in found for mode in one.modes]
    rows = []
    for link, name in LINKS.items():
        for label, optimum in SHARES.items():
            shares = [one.agreement(mode, link, optimum) for one, mode in columns]
            rows.append(_row(f"{label}, {name}", shares))
        gaps = (one.gap(mode, link) for one, mode in columns)
        rows.append(_row(f"Gap, {name}", gaps, sign=True))
    rows.append(_row("False moves", (one.false_moves(mode) for one, mode in columns)))
    rows.append(_row("Unread", (one.unread(mode) for one, mode in columns)))
    return table(["", *(f"{one.model}, {mode}" for one, mode in columns)], rows)


def _edits(one: Faithfulness) -> Markup:
    """How often each edit is followed; of one that must move nothing, how often it does."""
    heads = [f"{mode}: {name}" for mode in one.modes for name in LINKS.values()]
    heads += [f"{mode}: false moves" for mode in one.modes]
    rows = []
    for edit in one.edits:
        shares = [one.agreement(mode, link, "moved", edit) for mode in one.modes for link in LINKS]
        shares += [one.false_moves(mode, edit) for mode in one.modes]
        rows.append(_row(edit, shares))
    return table(["", *heads], rows)


def _row(name: str, shares: Sequence[Interval] | Iterator[Interval], *, sign: bool = False) -> Row:
    cells = (
        Cell((fixed(s.value, 2, sign=sign), small([interval(s.low, s.high, 2, sign=sign)])))
        for s in shares
    )
    return Row(name, list(cells))
