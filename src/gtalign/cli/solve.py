"""``gtalign solve``: frontier, equilibria, optimum and welfare of payoff matrices."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gtalign.errors import GameError, PayoffError
from gtalign.game import TOLERANCE, USER_LLM, Bimatrix, GameForm, Solution, solve
from gtalign.game.arrays import LIMIT
from gtalign.game.bimatrix import read_object
from gtalign.game.equilibria import snap
from gtalign.game.form import Player
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions

FRONTIER = "green"
SIDES: tuple[tuple[Player, str], ...] = (("user", "user"), ("llm", "LLM"))


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="[FILE|-]",
            help="JSON, or JSON Lines for several matrices; - or nothing reads stdin.",
        ),
    ] = Path("-"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a matrix, one a line.")
    ] = False,
) -> None:
    """Solve a payoff matrix: its frontier, equilibria, optimum and welfare.

    A matrix is an object with a key for each cell, user action first:
    {"DQ_AQ": {"LLM": 3, "user": 3}, ...}. DQ, VQ and AQ, CQ, DA are the
    usual game; other action names make a game of their own, in order of
    appearance.

    Example:
        gtalign solve matrix.json
        tail -1 matrices.jsonl | gtalign solve - --json
    """
    name = "stdin" if str(file) == "-" else str(file)
    try:
        raw = sys.stdin.buffer.read() if name == "stdin" else file.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PayoffError(f"{name}: not UTF-8 text (byte {error.start})") from None
    games = list(_games(name, text))
    if not games:
        raise PayoffError(f"{name}: no payoff matrix in it")
    console = Console()
    for number, game in enumerate(games, start=1):
        solution = solve(game)
        if as_json:
            print(json.dumps(solution.to_json()))
        else:
            title = f"matrix {number}" if len(games) > 1 else ""
            console.print(_page(solution, title, console.options.ascii_only))


def _games(name: str, text: str) -> Iterator[Bimatrix]:
    """The matrices of a text: one for each line, or one on several lines."""
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if len(lines) > 1 and not _complete(lines[0][1]):
        lines = [(lines[0][0], "\n".join(text.split("\n")[lines[0][0] - 1 :]))]
    for number, line in lines:
        try:
            found = read_object(line, first_line=number)
        except PayoffError as error:
            raise PayoffError(f"{name}: {error}") from None
        try:
            yield Bimatrix.from_json(found, _form(found), low=-LIMIT, high=LIMIT)
        except PayoffError as error:
            raise PayoffError(f"{name}: line {number}: {error}") from None


def _complete(line: str) -> bool:
    """Whether a line is JSON, so that the file is JSON Lines."""
    try:
        read_object(line)
    except PayoffError:
        return False
    return True


def _form(found: Any) -> GameForm:
    """The form that a matrix's keys span, and the usual one if they do not span any other."""
    if not isinstance(found, dict) or not found:
        return USER_LLM
    pairs = [key.partition("_")[::2] for key in found]
    rows, columns = (dict.fromkeys(names) for names in zip(*pairs, strict=True))
    if set(rows) <= set(USER_LLM.user_actions) and set(columns) <= set(USER_LLM.llm_actions):
        return USER_LLM
    whole = len(rows) * len(columns) == len(found)
    if not whole and set(found) & set(USER_LLM.cells):
        return USER_LLM
    if len(rows) * len(columns) > 2 * len(found):
        raise PayoffError(
            f"{len(found)} keys do not fill the cells of {len(rows)} user actions "
            f"and {len(columns)} LLM actions"
        )
    try:
        return GameForm({name: name for name in rows}, {name: name for name in columns})
    except GameError as error:
        example = USER_LLM.cells[0]
        raise PayoffError(f"a cell's key is two action names, as in {example}; {error}") from None


def _page(solution: Solution, title: str, ascii_only: bool) -> Panel:
    """One solution as a person reads it."""
    optimum, nash = ("*", "o") if ascii_only else ("★", "●")
    legend = Text.assemble(
        (FRONTIER, FRONTIER),
        f" Pareto frontier   {optimum} joint optimum   {nash} pure equilibrium   (user, LLM)",
        style="dim",
    )
    table = _matrix(solution, optimum, nash)
    return Panel(Group(table, legend, Text(), _facts(solution)), title=title or None)


def _matrix(solution: Solution, optimum: str, nash: str) -> Table:
    """The payoffs with the frontier in colour and the solutions marked."""
    game = solution.game
    table = Table(box=box.ROUNDED, show_lines=True)
    table.add_column("user \\ LLM", style="bold")
    for action in game.form.llm_actions:
        table.add_column(action, justify="center")
    for row, action in enumerate(game.form.user_actions):
        cells = []
        for column in range(len(game.form.llm_actions)):
            key = game.form.cell(row, column)
            user, llm = game.cell(key)
            marks = optimum * (key == solution.optimum) + nash * (key in solution.pure_nash)
            style = f"bold {FRONTIER}" if key in solution.frontier else ""
            cells.append(Text(f"{user:g}, {llm:g} {marks}".rstrip(), style=style))
        table.add_row(action, *cells)
    return table


def _facts(solution: Solution) -> Table:
    """The solutions in words, one a row."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, value in _sentences(solution):
        facts.add_row(name, Text(value))
    return facts


def _sentences(solution: Solution) -> Iterator[tuple[str, str]]:
    optimum = solution.optimum
    user, llm = solution.game.cell(optimum)
    yield "joint optimum", f"{optimum}, welfare {user + llm:g} (user {user:g}, LLM {llm:g})"
    leaves = [
        f"the {name} gains {gain:g} by leaving it"
        for side, name in SIDES
        if (gain := solution.deviation_gains[side]) > TOLERANCE
    ]
    yield "", "; ".join(leaves) or "it is an equilibrium: nobody gains by leaving it"
    losses = [
        f"{loss:g} of welfare is lost if the user plays {action}"
        for action, loss in solution.misread_loss.items()
        if loss > TOLERANCE
    ]
    yield "if misread", "; ".join(losses) or "no welfare is lost"
    yield "Pareto frontier", ", ".join(solution.frontier)
    count = len(solution.equilibria)
    heading = "equilibrium" if count == 1 else f"{count} extreme equilibria"
    for number, equilibrium in enumerate(solution.equilibria):
        mixed = f"user {_mixture(equilibrium.user)}; LLM {_mixture(equilibrium.llm)}"
        yield "" if number else heading, mixed
    for number, (rule, cell) in enumerate(_chosen(solution.game)):
        yield "" if number else "by rule", f"{rule}: {cell}"
    yield "trap", "yes: a pure equilibrium is not on the frontier" if solution.trap else "no"
    price = solution.price_of_anarchy
    ratio = "undefined (a welfare is not positive)" if price is None else f"{price:.4g}"
    yield "price of anarchy", f"{ratio}; welfare gap {solution.welfare_gap:.4g}"
    yield "if one leads", "; ".join(f"{name}: {solution.stackelberg[side]}" for side, name in SIDES)
    beaten = [
        f"{name} {', '.join(actions)}"
        for side, name in SIDES
        if (actions := solution.dominated[side])
    ]
    yield "dominated", "; ".join(beaten) or "none"
    safest = [(name, *solution.maximin[side]) for side, name in SIDES]
    yield "safest", "; ".join(f"{name} {action} secures {v:g}" for name, action, v in safest)


def _chosen(game: Bimatrix) -> Iterator[tuple[str, str]]:
    """The cell that each solution rule chooses, as a policy that sets nothing else has it."""
    payoffs = snap(game.payoffs)
    options = RuleOptions()
    options = replace(options, low=min(options.low, float(payoffs.min())))
    for rule in SOLUTION_RULES.values():
        yield rule.name, game.form.cells[int(rule.choose(payoffs, options))]


def _mixture(mixture: Mapping[str, float]) -> str:
    if len(mixture) == 1:
        return next(iter(mixture))
    return " + ".join(f"{probability:.4g} {action}" for action, probability in mixture.items())
