"""The solution of a game: as data, in words, and as HTML for a notebook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gtalign.game.bimatrix import Bimatrix
from gtalign.game.form import TOLERANCE, Player

SIDES: tuple[tuple[Player, str], ...] = (("user", "user"), ("llm", "LLM"))


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """A Nash equilibrium: the probabilities of the actions that each player uses."""

    user: Mapping[str, float]
    llm: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Lead:
    """The best that one player can commit to, a mixture of its actions if that pays more.

    Attributes:
        mixed: The probabilities of the leader's actions that it uses.
        answer: The other's best response to them.
        payoffs: Player -> what it gets.
        gain: Player -> what it gets more than in the equilibrium that is best for the leader.
    """

    mixed: Mapping[str, float]
    answer: str
    payoffs: Mapping[Player, float]
    gain: Mapping[Player, float]

    def to_json(self) -> dict[str, Any]:
        """Its part of what ``gtalign solve --json`` prints."""
        return {
            "mixed": dict(self.mixed),
            "answer": self.answer,
            "payoffs": dict(self.payoffs),
            "gain": dict(self.gain),
        }


@dataclass(frozen=True, slots=True)
class Solution:
    """The solution of one game; cells and actions by name, in the form's order.

    Attributes:
        game: The game.
        frontier: Cells on the Pareto frontier.
        optimum: The cell of the highest sum; ties: highest user payoff, then first cell.
        pure_nash: Cells that are equilibria.
        equilibria: All extreme equilibria, pure and mixed, each once.
        stackelberg: Leader -> the cell reached if it commits to a pure action.
        leads: Leader -> the best that it can commit to, mixed or pure.
        dominated: Player -> actions that another pure action beats strictly.
        maximin: Player -> its safest pure action and the payoff that this secures.
        trap: Whether some pure equilibrium is not on the frontier.
        price_of_anarchy: Optimal welfare over that of the worst equilibrium, mixed ones included;
            None where either is not positive.
        price_of_stability: Optimal welfare over that of the best equilibrium.
        welfare_gap: Optimal welfare less that of the worst equilibrium.
        deviation_gains: Player -> its gain from leaving the optimum while the other stays.
        misread_loss: Actual action of the user -> welfare lost against the best answer to it if
            the LLM plays its action of the optimum.
    """

    game: Bimatrix
    frontier: tuple[str, ...]
    optimum: str
    pure_nash: tuple[str, ...]
    equilibria: tuple[Equilibrium, ...]
    stackelberg: Mapping[Player, str]
    leads: Mapping[Player, Lead]
    dominated: Mapping[Player, tuple[str, ...]]
    maximin: Mapping[Player, tuple[str, float]]
    trap: bool
    price_of_anarchy: float | None
    price_of_stability: float | None
    welfare_gap: float
    deviation_gains: Mapping[Player, float]
    misread_loss: Mapping[str, float]

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)

    def to_json(self) -> dict[str, Any]:
        """The object that ``gtalign solve --json`` prints."""
        return {
            "frontier": list(self.frontier),
            "optimum": self.optimum,
            "pure_nash": list(self.pure_nash),
            "equilibria": [{"user": dict(e.user), "llm": dict(e.llm)} for e in self.equilibria],
            "stackelberg": dict(self.stackelberg),
            "leads": {player: lead.to_json() for player, lead in self.leads.items()},
            "dominated": {player: list(names) for player, names in self.dominated.items()},
            "trap": self.trap,
            "price_of_anarchy": self.price_of_anarchy,
        }


def sentences(solution: Solution) -> Iterator[tuple[str, str]]:
    """Yield what a solution says: a heading, empty if it goes on, and a sentence."""
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
        mixed = f"user {mixture(equilibrium.user)}; LLM {mixture(equilibrium.llm)}"
        yield "" if number else heading, mixed


def diagnostics(solution: Solution) -> Iterator[tuple[str, str]]:
    """Yield what a solution says of the game itself, as `sentences` does."""
    yield "trap", "yes: a pure equilibrium is not on the frontier" if solution.trap else "no"
    price = solution.price_of_anarchy
    ratio = "undefined (a welfare is not positive)" if price is None else f"{price:.4g}"
    yield "price of anarchy", f"{ratio}; welfare gap {solution.welfare_gap:.4g}"
    yield "if one leads", "; ".join(f"{name}: {solution.stackelberg[side]}" for side, name in SIDES)
    better = [
        (name, lead)
        for side, name in SIDES
        if len((lead := solution.leads[side]).mixed) > 1  # otherwise no mixture pays more
    ]
    for name, lead in better:
        won = ", ".join(f"{other} {lead.payoffs[one]:.4g}" for one, other in SIDES)
        more = ", ".join(f"{other} {lead.gain[one]:+.4g}" for one, other in SIDES)
        mixed = f"better for the {name}: {mixture(lead.mixed)}; best answer {lead.answer} ({won})"
        yield "", f"{mixed}, against its best equilibrium {more}"
    if not better:
        yield "", "no mixture of actions is better for who leads"
    beaten = [
        f"{name} {', '.join(actions)}"
        for side, name in SIDES
        if (actions := solution.dominated[side])
    ]
    yield "dominated", "; ".join(beaten) or "none"
    safest = [(name, *solution.maximin[side]) for side, name in SIDES]
    yield "safest", "; ".join(f"{name} {action} secures {v:g}" for name, action, v in safest)


def text_of(solution: Solution) -> str:
    """Return a solution as lines of text: the payoffs (user, LLM), and what it says."""
    form = solution.game.form
    head = ["user \\ LLM", *form.llm_actions]
    rows = []
    for place, action in enumerate(form.user_actions):
        cells = (solution.game.cell(form.cell(place, c)) for c in range(len(form.llm_actions)))
        rows.append([action, *(f"{user:g}, {llm:g}" for user, llm in cells)])
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    told = [*sentences(solution), *diagnostics(solution)]
    width = max(len(name) for name, _ in told)
    return "\n".join([*lines, "", *(f"{name:<{width}}  {said}" for name, said in told)])


def html_of(solution: Solution) -> str:
    """Return a solution as HTML without a style of its own, as a notebook shows it."""
    from gtalign.drawing import element, join, matrix_table

    game, form = solution.game, solution.game.form
    table = matrix_table(
        form.user,
        form.llm,
        {key: game.cell(key) for key in form.cells},
        chosen=solution.optimum,
        frontier=solution.frontier,
        equilibria=solution.pure_nash,
    )
    rows = [
        element("tr", element("th", name, style="text-align: left"), element("td", said))
        for name, said in (*sentences(solution), *diagnostics(solution))
    ]
    return str(join(table, element("table", rows)))


def mixture(shares: Mapping[str, float]) -> str:
    """A mixture of actions in words."""
    if len(shares) == 1:
        return next(iter(shares))
    return " + ".join(f"{share:.4g} {action}" for action, share in shares.items())
