"""A solved game on a terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gtalign.game import TOLERANCE, Bimatrix, Solution
from gtalign.game.equilibria import snap
from gtalign.game.form import Player
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions

FRONTIER = "green"
SIDES: tuple[tuple[Player, str], ...] = (("user", "user"), ("llm", "LLM"))


def solution_panel(solution: Solution, title: str, ascii_only: bool) -> Panel:
    """Return a solved game as a person reads it: the payoffs, and the solutions in words.

    Args:
        solution: Solution of the game.
        title: Title of the panel; empty for none.
        ascii_only: Whether the terminal shows ASCII only.
    """
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
