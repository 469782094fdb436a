"""Why a solution rule chose its cell: one sentence, with the numbers that decided.

Each function takes the game and the chosen cell, as `SolutionRule.why` does. Points are shown with
up to three decimals.
"""

from collections.abc import Iterable

from gtalign.drawing import number
from gtalign.game import Bimatrix, GameForm, best_responses, maximin, pure_nash
from gtalign.game.arrays import Payoffs
from gtalign.game.equilibria import snap
from gtalign.game.form import Player
from gtalign.game.solve import lead_of

_NAMES = {"user": "user", "llm": "LLM"}


def highest_sum(game: Bimatrix, cell: str, options: object) -> str:
    """The sum of a cell against the next one."""
    user, llm = game.cell(cell)
    found = f"{cell} has the highest sum, {_points(user + llm)} (user {_points(user)}, LLM"
    found += f" {_points(llm)})"
    others = {key: sum(game.cell(key)) for key in game.form.cells if key != cell}
    if not others:
        return f"{found}."
    rival = max(others, key=lambda key: others[key])
    return f"{found}; the next is {rival} with {_points(others[rival])}."


def believed(form: GameForm, belief: Payoffs, values_n2: Payoffs, cell: str) -> str:
    """What each action is worth to both under a belief, the chosen one first."""
    shares = ", ".join(
        f"{share:.0%} {name}" for name, share in zip(form.user_actions, belief, strict=True)
    )
    chosen = form.llm_actions[form.index(cell)[1]]
    worth = {
        name: (float(pair.sum()), *pair.tolist())
        for name, pair in zip(form.llm_actions, values_n2, strict=True)
    }
    total, user, llm = worth.pop(chosen)
    rest = _listed(f"{name} {_points(value[0])}" for name, value in worth.items())
    found = f"At a belief of {shares}, {chosen} is worth {_points(total)} to both (user"
    found += f" {_points(user)}, LLM {_points(llm)})"
    return f"{found}; {rest}." if rest else f"{found}."


def committed(game: Bimatrix, cell: str, options: object, *, leader: Player) -> str:
    """What a leader gets from each of its actions, once the other has answered best.

    Also what it would get from the best mixture of them, from which a rule, which chooses one cell,
    draws nothing.
    """
    form, best = game.form, best_responses(game.payoffs)
    own = 0 if leader == "user" else 1
    follower: Player = "llm" if leader == "user" else "user"
    names = form.user_actions if leader == "user" else form.llm_actions
    reached: dict[str, tuple[float, str]] = {}
    for key in form.cells:
        row, column = form.index(key)
        action = names[row if leader == "user" else column]
        value = game.cell(key)[own]
        if best[row, column, 1 - own] and value > reached.get(action, (-float("inf"), ""))[0]:
            reached[action] = value, key
    row, column = form.index(cell)
    chosen = names[row if leader == "user" else column]
    answer = form.llm_actions[column] if leader == "user" else form.user_actions[row]
    won = game.cell(cell)[own]
    found = f"If the {_NAMES[leader]} commits to {chosen}, the {_NAMES[follower]}'s best answer is"
    found += f" {answer}, and the {_NAMES[leader]} gets {_points(won)}"
    rest = _listed(
        f"{_points(value)} with {name}" for name, (value, _) in reached.items() if name != chosen
    )
    found = f"{found}; it would get {rest}." if rest else f"{found}."
    return f"{found} {_mixed(game, leader, follower)}"


def _mixed(game: Bimatrix, leader: Player, follower: Player) -> str:
    """The best mixture to commit to, and what it brings both."""
    lead = lead_of(snap(game.payoffs), game.form, leader)
    if len(lead.mixed) == 1:
        return "No mixture of its actions pays it more."
    shares = _listed(f"{share:.0%} {action}" for action, share in lead.mixed.items())
    mine, yours = _NAMES[leader], _NAMES[follower]
    return (
        f"Known to draw {shares}, it would get {_points(lead.payoffs[leader])}, and the {yours},"
        f" whose best answer is then {lead.answer}, {_points(lead.payoffs[follower])}. Against the"
        f" equilibrium that is best for the {mine}, that is {_gain(lead.gain[leader])} for the"
        f" {mine} and {_gain(lead.gain[follower])} for the {yours}."
    )


def _gain(value: float) -> str:
    return f"{_points(abs(value))} {'less' if value < 0 else 'more'}" if value else "nothing"


def stable(game: Bimatrix, cell: str, options: object) -> str:
    """How many equilibria there are, and which one was taken."""
    cells = game.form.where(pure_nash(game.payoffs))
    if not cells:
        return (
            "There is no equilibrium in pure actions; these are the likeliest actions of the mixed"
            " one."
        )
    found = f"In {cell} neither side gains by leaving alone"
    others = [key for key in cells if key != cell]
    if not others:
        return f"{found}; it is the only such cell."
    if len(others) == 1:
        return f"{found}; the other equilibrium, {others[0]}, has no higher sum."
    return f"{found}; the other equilibria, {_listed(others)}, have no higher sum."


def bargained(game: Bimatrix, cell: str, options: object) -> str:
    """What both gain over what each secures alone."""
    safe = maximin(game.payoffs)[1].tolist()
    user, llm = (value - least for value, least in zip(game.cell(cell), safe, strict=True))
    return (
        f"Alone, the user secures {_points(safe[0])} and the LLM {_points(safe[1])}. {cell} gives"
        f" {_points(user)} and {_points(llm)} more; the product is {_points(user * llm)}, the"
        " highest."
    )


def _points(value: float) -> str:
    return number(value, 3)


def _listed(parts: Iterable[str]) -> str:
    *first, last = [*parts] or [""]
    return f"{', '.join(first)} and {last}" if first else last
