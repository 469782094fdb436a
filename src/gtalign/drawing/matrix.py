"""A payoff matrix as a table of HTML: payoffs coloured by size, and the marks of its cells."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Final

from gtalign.drawing.markup import Content, Markup, element
from gtalign.drawing.numbers import fixed

LEVELS: Final = 8
"""Number of colour strengths above none: classes ``u0`` to ``u8`` for the user's payoffs, ``l0`` to
``l8`` for the LLM's."""

RANGE: Final = (-5.0, 5.0)
"""Payoffs with the least and the full colour, unless a matrix exceeds them."""

Actions = Sequence[tuple[str, str]]
"""Names with their meanings, in a few words: they are written below the names."""


def matrix_table(
    users: Actions,
    llms: Actions,
    payoffs: Mapping[str, tuple[float, float]],
    *,
    caption: str = "",
    chosen: str | None = None,
    frontier: Collection[str] = (),
    equilibria: Collection[str] = (),
    played: str | None = None,
) -> Markup:
    """A matrix as a table, which scrolls if it is too wide.

    Args:
        users: The user's m actions, one a row.
        llms: The LLM's n actions, one a column.
        payoffs: The user's and the LLM's payoff in points, by the cell's key; m * n cells, row
            after row.
        caption: Title of the table.
        chosen: Key of the cell to mark as chosen.
        frontier: Keys of the cells on the Pareto frontier.
        equilibria: Keys of the cells that are equilibria in pure actions.
        played: The user's action that was really played.
    """
    values = [value for pair in payoffs.values() for value in pair]
    low, high = min((RANGE[0], *values)), max((RANGE[1], *values))
    digits = next((n for n in (0, 1) if all(abs(round(v, n) - v) < 1e-6 for v in values)), 2)

    def payoff(who: str, side: str, value: float) -> Markup:
        level = round(LEVELS * ((value / 2 - low / 2) / (high / 2 - low / 2)))
        name = element("small", who)
        return element(
            "span", name, " ", element("b", fixed(value, digits)), class_=f"pay {side}{level}"
        )

    def cell(key: str) -> Markup:
        user, llm = payoffs[key]
        marks = (
            element("span", "chosen", class_="pick") if key == chosen else None,
            _mark("◆", "on the Pareto frontier") if key in frontier else None,
            _mark("●", "equilibrium in pure actions") if key in equilibria else None,
        )
        return element(
            "td",
            payoff("user", "u", user),
            payoff("LLM", "l", llm),
            element("span", marks, class_="marks"),
            class_="cell chosen" if key == chosen else "cell",
            data_cell=key,
        )

    keys = dict(zip(product(range(len(users)), range(len(llms))), payoffs, strict=True))
    head = [_head(name, meaning, "col") for name, meaning in llms]
    rows = [
        element(
            "tr",
            _head(name, meaning, "row", element("small", "played") if name == played else None),
            [cell(keys[row, column]) for column in range(len(llms))],
        )
        for row, (name, meaning) in enumerate(users)
    ]
    table = element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", element("tr", element("td"), head)),
        element("tbody", rows),
        class_="game",
    )
    return element("div", table, class_="wide bare")


def matrix_legend(*more: Content) -> Markup:
    """The meaning of the marks of a matrix, followed by `more`."""
    return element(
        "p",
        "Rows are the user's actions, columns the LLM's; a stronger colour is a higher payoff. ",
        element("span", element("span", "chosen", class_="pick"), " cell", class_="nowrap"),
        " ",
        element("span", "◆ on the Pareto frontier", class_="nowrap"),
        " ",
        element("span", "● equilibrium in pure actions", class_="nowrap"),
        more,
        class_="legend",
    )


def _mark(sign: str, meaning: str) -> Markup:
    return element("span", sign, element("span", f" {meaning}", class_="hidden"), title=meaning)


def _head(name: str, meaning: str, scope: str, mark: Markup | None = None) -> Markup:
    told = element("small", meaning, class_="meaning") if meaning else None
    return element("th", name, told, mark, class_="played" if mark else None, scope=scope)
