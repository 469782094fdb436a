"""The exact values at which a choice flips as one number of a policy grows.

Every charge is linear in each price. So the prices at which a rounded payoff changes can be
computed: there the exact payoff passes the middle between two decimals. Between two such prices the
edited matrix stays the same, so it is solved once for each interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np

from gtalign.config import Config
from gtalign.errors import ConfigError, SteeringError
from gtalign.game import Bimatrix
from gtalign.game.arrays import Payoffs
from gtalign.steering.batch import chosen, fitted
from gtalign.steering.believed import ordered
from gtalign.steering.edit import edit
from gtalign.steering.expected import ActionTokens, tokens_of
from gtalign.steering.policy import MOST, Policy
from gtalign.steering.units import UNITS

NUMBERS: Final = (
    *(f"price.{unit.key}" for unit in UNITS),
    *("characters_per_token", "utility_of_money", "value_of_time", "reply_seconds"),
    *("quota.tokens", *(f"quota.price.{unit.key}" for unit in UNITS)),
)
"""Numbers of a policy in which every charge is linear, or linear between a few corners."""

STEPS: Final = 200_000
"""Most changes of payoffs in one range."""

_AT_ONCE: Final = 16_384  # games, so that little memory is needed
_APART: Final = 1e-12  # of the range: prices nearer than this are one
C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class ChoiceInterval:
    """Values of a number, between two of them, under which one action is chosen.

    Args:
        action: The LLM's action.
        low: The value from which on it is chosen.
        high: The value up to which it is chosen.
    """

    action: str
    low: float
    high: float


def flips(
    stated: Bimatrix,
    policy: Policy,
    number: str,
    low: float,
    high: float,
    *,
    expected: Mapping[str, ActionTokens],
    decimals: int,
    prompt_tokens: int = 0,
    used_tokens: int = 0,
    least: float = -5.0,
    most: float = 5.0,
    belief: Mapping[str, float] | None = None,
) -> tuple[ChoiceInterval, ...]:
    """The actions that a policy chooses as one of its numbers grows and all others stay.

    The choice is that of a steered answer, in the matrix that `edit` and `fit` make. Near a price
    at which two actions are worth the same, rounding may flip the choice back and forth in narrow
    intervals; they are real, and listed. Exactly at an end, payoffs are halfway between two
    decimals, and the action of either neighbour may be chosen.

    Args:
        stated: The matrix as the model wrote it.
        policy: Who pays how much for what; its own value of `number` is ignored.
        number: One of `NUMBERS`.
        low: Its least value.
        high: Its greatest.
        expected: Expected tokens of every LLM action, as for `edit`.
        decimals: Decimals of the payoffs in the edited matrix, as for `fit`.
        prompt_tokens: Tokens of the prompt, as for `edit`.
        used_tokens: Tokens of the quota used so far, as for `edit`.
        least: Least payoff, as for `fit`.
        most: Greatest payoff.
        belief: The belief that the chain states, as for `recommend`.

    Returns:
        Intervals that cover [low, high] in order, each with another action than the one before.

    Raises:
        ConfigError: There is no such number, or the policy lacks it.
        SteeringError: The range is empty, or the matrix changes too often in it.
    """
    if not 0 <= low < high <= MOST:
        raise SteeringError(
            f"{number}: a range goes from 0 or more up to {MOST:g} at most, not from {low:g} to"
            f" {high:g}"
        )

    def payoffs(value: float) -> Payoffs:
        moved = with_number(policy, number, value)
        use = {"prompt_tokens": prompt_tokens, "used_tokens": used_tokens}
        return edit(stated, moved, expected, **use).edited.payoffs

    corners = [low, high]
    if number == "quota.tokens":
        # Where the quota is used up before this turn, and where each action just fits into it.
        uses = [tokens_of(expected, action) for action in stated.form.llm_actions]
        ends = [used_tokens, *(used_tokens + u.written() + u.read(prompt_tokens) for u in uses)]
        corners = sorted({low, high, *(end for end in ends if low < end < high)})
    believed = ordered(belief, stated.form)
    found: list[ChoiceInterval] = []
    for start, end in pairwise(corners):
        edges, games = _steps(start, end, payoffs(start), payoffs(end), decimals)
        cells: list[int] = []
        for at in range(0, len(games), _AT_ONCE):
            exact = games[at : at + _AT_ONCE]
            written = fitted(exact, decimals, low=least, high=most)
            charges = exact - stated.payoffs
            found_N = chosen(
                written, policy, stated.form, low=least, belief=believed, charges=charges
            )
            cells += found_N.tolist()
        for (a, b), cell in zip(pairwise(edges.tolist()), cells, strict=True):
            action = stated.form.llm_actions[cell % len(stated.form.llm)]
            if found and found[-1].action == action:
                a = found.pop().low
            found.append(ChoiceInterval(action, a, b))
    return tuple(found)


def with_number(policy: Policy, number: str, value: float) -> Policy:
    """The policy with another value of one of `NUMBERS`, which is not checked.

    Raises:
        ConfigError: There is no such number, or the policy lacks it.
    """
    if number not in NUMBERS:
        raise ConfigError(f"{number!r} is no number to move; there are {', '.join(NUMBERS)}")
    return _replaced(policy, number.split("."), value, number)


def _replaced(table: C, path: Sequence[str], value: float, number: str) -> C:
    name, *rest = path
    if not rest:
        return table.model_copy(update={name: value})
    inner = getattr(table, name)
    if inner is None:
        raise ConfigError(f"{number}: this policy has no {name}")
    return table.model_copy(update={name: _replaced(inner, rest, value, number)})


def _steps(
    start: float, end: float, first: Payoffs, last: Payoffs, decimals: int
) -> tuple[Payoffs, Payoffs]:
    """Where rounded payoffs change while the exact ones move linearly from `first` to `last`.

    Returns:
        The edges of the ranges in which none changes, ``[E + 1]``, and the exact payoffs in the
        middle of each range, ``[E, m, n, 2]``.

    Raises:
        SteeringError: There are too many.
    """
    ticks = np.stack([first.ravel(), last.ravel()]) * 10.0**decimals
    # A payoff is rounded up from k + 1/2 on.
    lows, highs = np.ceil(ticks.min(axis=0) - 0.5), np.floor(ticks.max(axis=0) - 0.5)
    if not np.maximum(highs - lows + 1, 0).sum() <= STEPS:
        raise SteeringError(
            f"between {start:g} and {end:g} the rounded payoffs change more than {STEPS:,} times:"
            " take a smaller range or fewer decimals"
        )
    shares = [
        (np.arange(low, high + 1) + 0.5 - one) / (other - one)
        for low, high, one, other in zip(lows, highs, *ticks, strict=True)
        if low <= high and one != other
    ]
    share = np.unique(np.concatenate([[0.0, 1.0], *shares]).clip(0, 1))
    share = share[np.diff(share, prepend=-1) > _APART]
    share[-1] = 1.0
    middle = (share[1:] + share[:-1])[:, None, None, None] / 2
    return start + share * (end - start), first + middle * (last - first)
