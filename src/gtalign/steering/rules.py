"""Solution rules: the ways to choose a cell of a game, one entry each.

A policy names its rule by `Policy.solution`. The configuration, the forms and the decision page of
the dashboard, the table of ``gtalign solve`` and the documentation iterate `SOLUTION_RULES`, so a
new entry appears in all of them. The game theory behind the entries is in `gtalign.game`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.drawing import number
from gtalign.errors import GameError
from gtalign.game import (
    USER_LLM,
    Bimatrix,
    GameForm,
    belief_payoffs,
    ces,
    ces_optimum,
    equilibria,
    maximin,
    nash_bargaining,
    pure_nash,
    social_optimum,
    stackelberg,
)
from gtalign.game.arrays import Payoffs
from gtalign.game.cells import first_best
from gtalign.game.form import Player
from gtalign.steering import reasons
from gtalign.steering.clarification import Clarify, looked_ahead


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What else a rule gets, beside the payoffs.

    Args:
        tie_break: The player whose payoff decides between cells that the rule ranks equal.
        rho: Order of a mean of two welfares, at most 1.
        low: Least payoff there can be.
        form: The game.
        belief: Probability of each action of the user, ``[m]``, or for each game ``[N, m]``; None
            if nobody has stated one.
        clarify: What the policy assumes of clarifying questions.
        charges: Points that the policy added to the payoffs, of their shape; None for none.
    """

    tie_break: Player = "user"
    rho: float = 0.0
    low: float = -5.0
    form: GameForm = USER_LLM
    belief: Payoffs | None = None
    clarify: Clarify = field(default_factory=Clarify)
    charges: Payoffs | None = None


@dataclass(frozen=True, slots=True)
class SolutionRule:
    """One way to choose a cell.

    Args:
        name: Its name in policies.
        says: Which cell it chooses, in one sentence.
        ties: Which of several equal cells it takes, in one sentence.
        choose: Takes payoffs ``[..., m, n, 2]``, of one game or of a batch, and the `RuleOptions`;
            returns cell numbers, user-major, integer ``[...]``. Raises GameError where it does not
            apply; the message says why.
        keys: The keys of a policy that it reads, of ``tie_break``, ``rho``, ``prior`` and
            ``clarify``. A rule that reads ``prior`` needs a belief.
        absolute: Whether it measures payoffs from `RuleOptions.low`; lower ones are then refused.
        why: Takes a game, the chosen cell and the options; returns one sentence with the numbers
            that decided. None for `says`.
    """

    name: str
    says: str
    ties: str
    choose: Callable[[Payoffs, RuleOptions], NDArray[np.intp]]
    keys: tuple[str, ...] = ()
    absolute: bool = False
    why: Callable[[Bimatrix, str, RuleOptions], str] | None = None

    @property
    def needs_belief(self) -> bool:
        """Whether it needs a belief over the user's actions."""
        return "prior" in self.keys


def _published(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    return social_optimum(payoffs, options.tie_break)


def _bayes(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    belief = stated_belief(options)
    return _under(belief, belief_payoffs(payoffs, belief), payoffs.shape[:-3])


def _clarify(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    return _under(stated_belief(options), moves(payoffs, options), payoffs.shape[:-3])


def moves(payoffs: Payoffs, options: RuleOptions) -> Payoffs:
    """What user and LLM expect of each action under ``clarify``, ``[..., n, 2]``."""
    games = payoffs if payoffs.ndim == 4 else payoffs[None]
    belief = np.broadcast_to(stated_belief(options), games.shape[:2])
    charges = options.charges
    if charges is not None:
        charges = np.broadcast_to(charges, games.shape)
    found = looked_ahead(games, belief, options.form, options.clarify, charges)
    return found if payoffs.ndim == 4 else found[0]


def stated_belief(options: RuleOptions) -> Payoffs:
    """The belief of the options.

    Raises:
        GameError: Nobody has stated one.
    """
    if options.belief is None:
        raise GameError(
            "it needs a belief over the user's actions; the chain states none and the policy has no"
            " prior"
        )
    return options.belief


def _under(belief: Payoffs, values: Payoffs, batch: tuple[int, ...]) -> NDArray[np.intp]:
    """The cell of the best action under a belief, in the row of the likeliest action of the user.

    Args:
        belief: ``[m]`` or ``[N, m]``.
        values: What each action brings both, ``[..., n, 2]``.
        batch: Shape of the result.
    """
    columns = np.moveaxis(values, -2, 0).reshape(values.shape[-2], -1, 2)
    column = first_best(columns.sum(axis=-1), columns[..., 0])
    cell = belief.argmax(axis=-1) * values.shape[-2] + column
    return np.asarray(cell.reshape(batch))


def _stackelberg(payoffs: Payoffs, options: RuleOptions, *, leader: Player) -> NDArray[np.intp]:
    return stackelberg(payoffs, leader)


def _nash(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    games = payoffs if payoffs.ndim == 4 else payoffs[None]
    sums_Nc = games.sum(axis=-1).reshape(len(games), -1)
    user_Nc = games[..., 0].reshape(len(games), -1)
    stable_Nc = pure_nash(games).reshape(len(games), -1)
    cell_N = first_best(np.where(stable_Nc, sums_Nc, -np.inf).T, user_Nc.T)
    mixed = np.flatnonzero(~stable_Nc.any(axis=1))
    if len(mixed):
        cell_N[mixed] = _likeliest(games[mixed])
    return cell_N if payoffs.ndim == 4 else cell_N[0]


def _likeliest(games_Nmn2: Payoffs) -> NDArray[np.intp]:
    """The likeliest actions in the mixed equilibrium of the highest expected sum, ``[N]``."""
    found = equilibria(games_Nmn2)
    value_E = np.einsum("em,en,emnp->e", found.user, found.llm, games_Nmn2[found.game])
    order = np.lexsort((-value_E, found.game))
    game_E, first_E = np.unique(found.game[order], return_index=True)
    assert len(game_E) == len(games_Nmn2)  # every game has an equilibrium (Nash, 1950)
    best_N = order[first_E]
    user_N, llm_N = found.user[best_N].argmax(axis=1), found.llm[best_N].argmax(axis=1)
    return np.asarray(user_N * games_Nmn2.shape[2] + llm_N)


def _bargaining(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    # In pure actions some cell gives both players their maximin: the one in which both play safe.
    return nash_bargaining(payoffs, maximin(payoffs)[1])


def _ces(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    return ces_optimum(payoffs, options.rho, options.low, options.tie_break)


def _why_bayes(game: Bimatrix, cell: str, options: RuleOptions) -> str:
    belief = stated_belief(options)
    return reasons.believed(game.form, belief, belief_payoffs(game.payoffs, belief), cell)


def _why_clarify(game: Bimatrix, cell: str, options: RuleOptions) -> str:
    found = moves(game.payoffs, options)
    looked = reasons.believed(game.form, stated_belief(options), found, cell)
    clarify = options.clarify
    return (
        f"{looked} Assumed: {clarify.replies:.0%} of the users reply, and {clarify.helps:.0%} of"
        " the replies say what was missing."
    )


def _why_ces(game: Bimatrix, cell: str, options: RuleOptions) -> str:
    user, llm = (payoff - options.low for payoff in game.cell(cell))
    return (
        f"On the frontier, {cell} has the highest mean of order {options.rho:g},"
        f" {number(ces(user, llm, options.rho), 3)} above {number(options.low, 3)}."
    )


SOLUTION_RULES: Final[dict[str, SolutionRule]] = {
    rule.name: rule
    for rule in (
        SolutionRule(
            name="published",
            says="The highest sum of payoffs.",
            ties="The highest payoff of `tie_break`, then the first cell.",
            choose=_published,
            keys=("tie_break",),
            why=reasons.highest_sum,
        ),
        SolutionRule(
            name="bayes",
            says=(
                "The LLM's action with the highest expected sum under the belief over the user's"
                " actions, in the row that is likeliest."
            ),
            ties="The highest expected payoff of the user, then the first action.",
            choose=_bayes,
            keys=("prior",),
            why=_why_bayes,
        ),
        SolutionRule(
            name="clarify",
            says=(
                "Ask if the reply is worth more to both than it costs: like `bayes`, but what"
                " asking is worth is worked out from the answers, with the assumptions of"
                " `clarify`."
            ),
            ties="The highest expected payoff of the user, then the first action.",
            choose=_clarify,
            keys=("prior", "clarify"),
            why=_why_clarify,
        ),
        SolutionRule(
            name="stackelberg",
            says="The LLM commits to the action that pays it most, given the user's best answer.",
            ties="The cell that is best for the leader, then for the follower, then the first.",
            choose=partial(_stackelberg, leader="llm"),
            why=partial(reasons.committed, leader="llm"),
        ),
        SolutionRule(
            name="stackelberg_user",
            says="The user commits to the action that pays most, given the LLM's best answer.",
            ties="The cell that is best for the leader, then for the follower, then the first.",
            choose=partial(_stackelberg, leader="user"),
            why=partial(reasons.committed, leader="user"),
        ),
        SolutionRule(
            name="nash",
            says=(
                "The equilibrium in pure actions with the highest sum. Without one, the likeliest"
                " actions in the mixed equilibrium with the highest expected sum."
            ),
            ties="The highest payoff of the user, then the first cell.",
            choose=_nash,
            why=reasons.stable,
        ),
        SolutionRule(
            name="bargaining",
            says="The greatest product of gains over what each player secures alone (maximin).",
            ties="The highest sum of payoffs, then the first cell.",
            choose=_bargaining,
            why=reasons.bargained,
        ),
        SolutionRule(
            name="ces",
            says=(
                "On the Pareto frontier, the highest mean of order `rho` of the two payoffs, each"
                " measured from the least possible payoff."
            ),
            ties="The highest payoff of `tie_break`, then the first cell.",
            choose=_ces,
            keys=("rho", "tie_break"),
            absolute=True,
            why=_why_ces,
        ),
    )
}
"""The rules by name. An entry of your own takes effect as soon as you add it."""


def known_rule(name: str) -> str:
    """Return the name of a rule as it is; raises ValueError for any other text."""
    if name not in SOLUTION_RULES:
        *first, last = map(repr, SOLUTION_RULES)
        raise ValueError(f"input should be {', '.join(first)} or {last}")
    return name
