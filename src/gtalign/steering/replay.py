"""Past decisions under another policy: which of them it would have changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from gtalign.config import load_table
from gtalign.errors import ConfigError, DataError, GameError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.arrays import Payoffs
from gtalign.game.file import form_from_json
from gtalign.steering.batch import chosen, fitted
from gtalign.steering.believed import ordered
from gtalign.steering.edit import DECIMALS, edit
from gtalign.steering.expected import ActionTokens
from gtalign.steering.fields import Fields
from gtalign.steering.policy import Policy
from gtalign.steering.rules import SOLUTION_RULES
from gtalign.steering.units import Amounts, money_of

__all__ = ["Past", "Replay", "replay"]

_USUAL = 1  # decimals of a payoff in a chain


@dataclass(frozen=True, slots=True)
class Past:
    """The facts of a decision that another policy needs.

    Args:
        stated: The matrix as the model wrote it, of any game.
        action: The LLM's action that was chosen in the edited matrix.
        expected: Expected tokens by LLM action.
        prompt_tokens: Tokens of the prompt; 0 if unknown.
        used_tokens: Tokens of the quota that were used before.
        decimals: Decimals of the payoffs in the edited matrix.
        belief: The belief that the chain states; None if it states none.
    """

    stated: Bimatrix
    action: str
    expected: Mapping[str, ActionTokens] = field(hash=False)
    prompt_tokens: int = 0
    used_tokens: int = 0
    decimals: int = _USUAL
    belief: Mapping[str, float] | None = field(default=None, hash=False)

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Past":
        """Read what `Decision.to_json` wrote, in a quarter of the time of `Decision.from_json`.

        Old records lack the number of decimals. It is then that of the payoffs, and at least one,
        as models write them; fewer only where rounding has left none.

        Raises:
            DataError: The decision chose nothing, or a field is wrong.
        """
        given = Fields(source)
        stated, edited = given.object("stated").source, given.object("edited").source
        try:
            form = form_from_json(given.object("form").source) if given.has("form") else USER_LLM
            game, after = (Bimatrix.from_json(matrix, form) for matrix in (stated, edited))
        except GameError as error:
            raise DataError(f"no matrix of this game: {error}") from error
        if given.has("decimals"):
            decimals = min(given.count("decimals"), DECIMALS)
        elif any(term.text("name") == "rounding" for term in given.objects("terms")):
            decimals = _decimals(after.payoffs)
        else:
            decimals = max(_USUAL, _decimals(game.payoffs), _decimals(after.payoffs))
        expected = given.object("expected")
        tokens = {action: _tokens(expected.object(action)) for action in expected.names()}
        missing = set(form.llm_actions) - set(tokens)
        if missing:
            raise DataError(f"'expected' lacks {min(missing)}")
        return cls(
            stated=game,
            action=given.object("after").choice("action", form.llm_actions),
            expected=tokens,
            prompt_tokens=given.count("prompt_tokens") if given.has("prompt_tokens") else 0,
            used_tokens=given.count("used_tokens"),
            decimals=decimals,
            belief=given.known("belief", given.shares) if given.has("belief") else None,
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """The choices and costs of a policy on past decisions.

    Args:
        actions: The LLM's action of each decision.
        written: Expected tokens written, under these actions less under those chosen then.
        read: Expected tokens read, under these actions less under those chosen then.
        money: The price of the difference under the policy, for every payer, without its quota.
    """

    actions: tuple[str, ...]
    written: float
    read: float
    money: float


def replay(
    pasts: Sequence[Past], policy: Policy, *, low: float = -5.0, high: float = 5.0
) -> Replay:
    """Apply a policy to the matrices that models stated in the past.

    The choice is that of a steered answer: by the policy's rule, in the matrix that `edit` and
    `fit` make, with the expected tokens that were on record then.

    Args:
        pasts: The decisions.
        policy: The policy to apply instead of the one in force then.
        low: Least payoff, as for `fit`.
        high: Greatest payoff.

    Raises:
        ConfigError: The policy does not fit the game.
    """
    actions = [""] * len(pasts)
    for form in dict.fromkeys(past.stated.form for past in pasts):
        places = [place for place, past in enumerate(pasts) if past.stated.form == form]
        found = _actions([pasts[place] for place in places], policy, form, low, high)
        for place, action in zip(places, found, strict=True):
            actions[place] = action
    more = Amounts()
    for past, action in zip(pasts, actions, strict=True):
        if action != past.action:
            new, old = (
                past.expected[one].amounts(past.prompt_tokens, policy.characters_per_token)
                for one in (action, past.action)
            )
            more += new - old
    return Replay(tuple(actions), more.output, more.input, money_of(policy.price, more))


def _actions(
    pasts: Sequence[Past], policy: Policy, form: GameForm, low: float, high: float
) -> tuple[str, ...]:
    """The actions that a policy chooses in decisions of one game."""
    games = np.empty((len(pasts), *form.shape, 2))
    for number, past in enumerate(pasts):
        use = {"prompt_tokens": past.prompt_tokens, "used_tokens": past.used_tokens}
        games[number] = edit(past.stated, policy, past.expected, **use).edited.payoffs
    decimals = np.array([past.decimals for past in pasts])
    cells = chosen(
        fitted(games, decimals, low=low, high=high),
        policy,
        form,
        low=low,
        belief=_beliefs(pasts, policy, form),
        charges=games - np.stack([past.stated.payoffs for past in pasts]),
    )
    return tuple(form.llm_actions[column] for column in (cells % len(form.llm)).tolist())


def _beliefs(pasts: Sequence[Past], policy: Policy, form: GameForm) -> Payoffs | None:
    """The belief of each decision, or the prior where it states none, ``[N, m]``; None for none."""
    if not SOLUTION_RULES[policy.solution].needs_belief:
        return None
    prior = policy.prior_of(form)
    stated = [ordered(past.belief, form) for past in pasts]
    return np.stack([prior if belief is None else belief for belief in stated])


def _tokens(fields: Fields) -> ActionTokens:
    return _same(tuple((name, fields.number(name)) for name in fields.names()))


@lru_cache(maxsize=4096)  # they change only as more answers are measured
def _same(items: tuple[tuple[str, float], ...]) -> ActionTokens:
    try:
        return load_table(ActionTokens, dict(items), "expected")
    except ConfigError as error:
        raise DataError(str(error)) from error


def _decimals(values: Any) -> int:
    """The fewest decimals that write all of some payoffs."""
    for decimals in range(DECIMALS):
        if np.array_equal(np.round(values, decimals), values):
            return decimals
    return DECIMALS
