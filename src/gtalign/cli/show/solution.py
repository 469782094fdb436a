"""A solved game on a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gtalign.cli.show.words import actions
from gtalign.game import Bimatrix, Solution
from gtalign.game.solution import diagnostics, sentences
from gtalign.steering.alternatives import alternative
from gtalign.steering.believed import ordered
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions

FRONTIER = "green"


def print_solutions(
    solutions: Iterable[Solution], count: int, belief: Mapping[str, float] | None = None
) -> None:
    """Print solved games, each as `solution_panel` has it.

    Args:
        solutions: The solutions.
        count: Number of them; several get numbers.
        belief: As for `solution_panel`.

    Raises:
        GameError: The belief is not about the user's actions.
    """
    console = Console()
    for number, solution in enumerate(solutions, start=1):
        title = f"matrix {number}" if count > 1 else ""
        console.print(solution_panel(solution, title, console.options.ascii_only, belief))


def solution_panel(
    solution: Solution, title: str, ascii_only: bool, belief: Mapping[str, float] | None = None
) -> Panel:
    """Return a solved game as a person reads it: the payoffs, and the solutions in words.

    Args:
        solution: Solution of the game.
        title: Title of the panel; empty for none.
        ascii_only: Whether the terminal shows ASCII only.
        belief: Probability of each action of the user, for the rules that need one.

    Raises:
        GameError: The belief is not about the user's actions.
    """
    optimum, nash = ("*", "o") if ascii_only else ("★", "●")
    legend = Text.assemble(
        (FRONTIER, FRONTIER),
        f" Pareto frontier   {optimum} joint optimum   {nash} pure equilibrium   (user, LLM)",
        style="dim",
    )
    parts: list[RenderableType] = [_matrix(solution, optimum, nash), legend]
    if told := actions(solution.game.form):
        parts.append(Text(told, style="dim"))
    return Panel(Group(*parts, Text(), _facts(solution, belief)), title=title or None)


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


def _facts(solution: Solution, belief: Mapping[str, float] | None) -> Table:
    """The solutions in words, one a row."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, value in _sentences(solution, belief):
        facts.add_row(name, Text(value))
    return facts


def _sentences(solution: Solution, belief: Mapping[str, float] | None) -> Iterator[tuple[str, str]]:
    yield from sentences(solution)
    for number, (rule, cell) in enumerate(_chosen(solution.game, belief)):
        yield "" if number else "by rule", f"{rule}: {cell}"
    yield from diagnostics(solution)


def _chosen(game: Bimatrix, belief: Mapping[str, float] | None) -> Iterator[tuple[str, str]]:
    """The cell that each solution rule chooses, as a policy that sets nothing else has it; or why
    it chooses none."""
    options = RuleOptions(form=game.form, belief=ordered(belief, game.form))
    options = replace(options, low=min(options.low, float(game.payoffs.min())))
    for rule in SOLUTION_RULES.values():
        found = alternative(rule, game, options)
        if found.cell is not None:
            yield rule.name, found.cell
        elif belief is None and rule.needs_belief:
            yield rule.name, "needs --belief"
        else:
            yield rule.name, found.why.removeprefix("It ").removesuffix(".")
