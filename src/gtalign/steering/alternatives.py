"""What each solution rule would choose in one game, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from gtalign.errors import GameError
from gtalign.game import Bimatrix
from gtalign.game.arrays import Payoffs
from gtalign.steering.batch import apply, options_of
from gtalign.steering.believed import ordered
from gtalign.steering.policy import Policy
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions, SolutionRule


@dataclass(frozen=True, slots=True)
class Alternative:
    """The choice of one rule.

    Args:
        rule: Its name.
        cell: The cell; None where the rule does not apply.
        action: The LLM's action of the cell.
        why: Why it chooses that cell, or why it does not apply.
    """

    rule: str
    cell: str | None
    action: str | None
    why: str


def alternatives(
    game: Bimatrix,
    policy: Policy,
    *,
    low: float = -5.0,
    belief: Mapping[str, float] | None = None,
    charges: Payoffs | None = None,
) -> tuple[Alternative, ...]:
    """What every rule would choose; arguments as of `gtalign.steering.recommend`.

    All rules get the keys of the policy, whichever rule it names. A rule that needs a belief takes
    the one that the chain states, then the policy's `prior`; without either it does not apply.

    Raises:
        GameError: The belief is not about the user's actions.
    """
    stated = ordered(belief, game.form)
    options = options_of(policy, game.form, low=low, belief=stated, charges=charges)
    return tuple(alternative(rule, game, options) for rule in SOLUTION_RULES.values())


def alternative(rule: SolutionRule, game: Bimatrix, options: RuleOptions) -> Alternative:
    """What one rule chooses in a game."""
    try:
        cell = game.form.cells[int(apply(rule, game.payoffs, options))]
        why = rule.says if rule.why is None else rule.why(game, cell, options)
    except GameError as error:
        return Alternative(rule.name, None, None, f"It does not apply: {error}.")
    return Alternative(rule.name, cell, game.form.llm_actions[game.form.index(cell)[1]], why)
