"""Pricing policies: who pays how much for what, and which rule chooses the cell.

A policy is data. It knows no payoffs: `gtalign.steering.edit` turns it, with the tokens that each
action is expected to take, into an edit of a payoff matrix.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    model_validator,
)

from gtalign.config import Config, Name, Share, beside, load
from gtalign.errors import ConfigError, GameError
from gtalign.game import TOLERANCE, GameForm
from gtalign.steering.clarification import Clarify, Points
from gtalign.steering.rules import SOLUTION_RULES, known_rule

MOST: Final = 1e15
"""Greatest price, rate or number of seconds of a policy: with it, every charge is a number."""

Amount = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=1e-6, le=MOST, allow_inf_nan=False)]

RuleName = Annotated[str, AfterValidator(known_rule)]
"""Name of an entry in `gtalign.steering.rules.SOLUTION_RULES`."""


def _pairs(shares: Any) -> Any:
    return tuple(shares.items()) if isinstance(shares, Mapping) else shares


Prior = Annotated[
    tuple[tuple[str, Share], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict, when_used="unless-none"),
]
"""A probability for each action of the user, written as a table."""

_SUFFIX = ".toml"
_LATER: Final = {
    **dict.fromkeys(("input_characters", "output_characters", "answer"), 0.0),
    "characters_per_token": 4.0,
    "budget": None,
    "prior": None,
    "clarify": Clarify().model_dump(),
}
"""Keys that came later than the others, with their defaults."""


class Price(Config):
    """A price, in currency units. What it counts adds up; `gtalign.steering.units` has the units.

    Keys:
        input: Price of a million tokens that the model reads.
        output: Price of a million tokens that it writes.
        input_characters: Price of a million characters that the model reads.
        output_characters: Price of a million characters that it writes.
        answer: Price of an answer, however long it is.
    """

    input: Amount = 0.0
    output: Amount = 0.0
    input_characters: Amount = 0.0
    output_characters: Amount = 0.0
    answer: Amount = 0.0


class Quota(Config):
    """An allowance of tokens, and what the user pays above it.

    Keys:
        tokens: Tokens included in a period, read and written together.
        price: What the user pays for what is above them, under every `payer`.
    """

    tokens: Annotated[int, Field(ge=0, le=2**53)]
    price: Price


class Budget(Config):
    """What may be spent in a calendar month (UTC). The gateway counts it; nothing else does.

    Keys:
        tokens: Largest number of tokens read and written; None for no limit.
        money: Largest price of the answers under the policies in force, in currency units,
            whether the user or the provider pays; None for no limit.
        soft: Share of either from which on answers and metrics warn.
        hard: Whether requests are refused once either is spent.
    """

    tokens: Annotated[int, Field(ge=1, le=2**53)] | None = None
    money: Rate | None = None
    soft: Share = 0.8
    hard: bool = True


class Adjustment(Config):
    """Points that are added to payoffs, independently of prices.

    Keys:
        action: LLM action whose cells get the points; give ``action`` or ``cell``.
        cell: The one cell that gets the points, such as ``VQ_CQ``.
        user: Points added to the user's payoffs.
        llm: Points added to the LLM's.
    """

    action: str | None = None
    cell: str | None = None
    user: Points = 0.0
    llm: Points = 0.0

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.action is None) == (self.cell is None):
            raise ValueError("an adjustment names an action or a cell, one of the two")
        return self


class Policy(Config):
    """A pricing policy. Prices, rates and seconds are at most 1e15, points at most a million.

    Keys:
        name: Name for people and records; it is not part of `hash`.
        payer: Who pays `price`: ``user`` (as an API is sold), ``provider`` (a subscription; its
            payoffs are the LLM's) or ``nobody`` (the price then charges no one).
        price: Price of what the payer pays for.
        characters_per_token: Characters of a token, by which expected characters are computed from
            expected tokens. What was written is counted.
        quota: An allowance above which the user pays; None for no limit.
        utility_of_money: Payoff points that one currency unit is worth, to either side.
        value_of_time: Currency units that an hour of waiting costs the user.
        tokens_per_second: Speed of the model, in tokens written per second.
        reply_seconds: Time that the user needs to answer one question, in seconds.
        adjust: Points that are added to payoffs, in addition to costs; by default none.
        solution: Name of the rule that chooses a cell, of `gtalign.steering.rules.SOLUTION_RULES`.
        rho: Order of a rule that takes a mean of welfares (`SolutionRule.keys`), at most 1: 1 is
            utilitarian, 0 Cobb-Douglas, ``-inf`` Rawlsian.
        tie_break: Player whose payoff decides between cells that are equal under the rule
            (`SolutionRule.keys`).
        budget: What all answers under the policy may spend in a month; None for no limit.
        prior: How likely each action of the user is, where a chain states no belief. Rules that
            need a belief (`SolutionRule.keys`) need a prior; nothing else stands in for one.
        clarify: Assumptions of the rule ``clarify``.
    """

    name: Name
    payer: Literal["user", "provider", "nobody"]
    price: Price = Price()
    characters_per_token: Rate = 4.0
    quota: Quota | None = None
    utility_of_money: Amount = 100.0
    value_of_time: Amount = 0.0
    tokens_per_second: Rate = 50.0
    reply_seconds: Amount = 20.0
    adjust: tuple[Adjustment, ...] = ()
    solution: RuleName = "published"
    rho: Annotated[float, Field(le=1)] = 0.0
    tie_break: Literal["user", "llm"] = "user"
    budget: Budget | None = None
    prior: Prior | None = None
    clarify: Clarify = Clarify()

    @model_validator(mode="after")
    def _states_a_prior(self) -> Self:
        if self.prior is None:
            if SOLUTION_RULES[self.solution].needs_belief:
                raise ValueError(
                    f"the rule {self.solution!r} needs a belief over the user's actions: give prior"
                    " as well, such as prior = {DQ = 0.7, VQ = 0.3}, for chains that state none"
                )
            return self
        names = [name for name, _ in self.prior]
        if len(set(names)) < len(names):
            raise ValueError("prior names an action twice")
        if not abs(sum(share for _, share in self.prior) - 1) <= TOLERANCE:
            raise ValueError("the shares of prior have to add up to 1")
        return self

    @property
    def hash(self) -> str:
        """Hash of what the policy does: 16 hexadecimal digits.

        It covers every key of `content` but `name`. Two files with the same content in another
        order or spelling have the same hash; a changed number changes it.
        """
        return _hash(self)

    def content(self) -> dict[str, Any]:
        """Every key with its value, defaults included.

        Keys that a policy once did not have are left out at their defaults. So its hash stays what
        it was before there were such keys, and an earlier gtalign can read it.
        """
        content: dict[str, Any] = _without_later(self.model_dump())
        return content

    def check(self, form: GameForm) -> None:
        """Check that the policy fits a game, which has all actions and cells that it names.

        An action of another name is meant by an adjustment if it counts as the one that is named.

        Raises:
            ConfigError: It does not; the message says what is wrong and what the game has.
        """
        for number, adjustment in enumerate(self.adjust):
            kind, name, known = "LLM action", adjustment.action, form.llm_actions
            if name is None:
                kind, name, known = "cell", adjustment.cell, form.cells
            if name not in known and not form.meant_by(str(name)):
                raise ConfigError(
                    f"policy {self.name!r}: adjust.{number} names the {kind} {name!r}; the game "
                    f"has {', '.join(known)}"
                )
        if self.prior is not None and {name for name, _ in self.prior} != set(form.user_actions):
            raise ConfigError(
                f"policy {self.name!r}: prior has to name each action of the user once:"
                f" {', '.join(form.user_actions)}"
            )
        if "clarify" in SOLUTION_RULES[self.solution].keys:
            try:
                self.clarify.check(form)
            except GameError as error:
                raise ConfigError(f"policy {self.name!r}: {error}") from error

    def prior_of(self, form: GameForm) -> NDArray[np.float64]:
        """The prior in the order of a game's rows, ``[m]``; nan for an action that it lacks."""
        shares = dict(self.prior or ())
        return np.array([shares.get(action, np.nan) for action in form.user_actions])

    def fits(self, form: GameForm) -> bool:
        """Whether `check` has nothing to say against a game."""
        try:
            self.check(form)
        except ConfigError:
            return False
        return True


def _source(source: str, info: ValidationInfo) -> str:
    return str(beside(Path(source), info)) if _is_file(source) else source


PolicySource = Annotated[str, AfterValidator(_source)]
"""A policy in a configuration: a built-in name, or a file beside the configuration or elsewhere."""


def policy_names() -> tuple[str, ...]:
    """Names of the policies that the package ships, in alphabetical order."""
    folder = files(__package__).joinpath("policies")
    names = (file.name for file in folder.iterdir())
    return tuple(sorted(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX)))


def load_policy(source: str | Path, overrides: Sequence[str] = ()) -> Policy:
    """Read a policy.

    Args:
        source: A TOML file, or the name of a policy that the package ships (`policy_names`). A
            text that ends in ``.toml`` or has a folder in it is a file.
        overrides: ``key=value`` strings, as `gtalign.config.load` takes them.

    Raises:
        ConfigError: No such policy, or the file is wrong; the message names the key.
    """
    if isinstance(source, Path) or _is_file(source):
        return load(Policy, Path(source), overrides)
    names = policy_names()
    if source not in names:
        near = difflib.get_close_matches(source, names, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise ConfigError(f"unknown policy {source!r}; {advice} (or give a {_SUFFIX} file)")
    with as_file(files(__package__).joinpath("policies", source + _SUFFIX)) as file:
        return load(Policy, file, overrides)


def _is_file(source: str) -> bool:
    return source.endswith(_SUFFIX) or "/" in source


@lru_cache(maxsize=256)  # by content: a copy with another number is another policy
def _hash(policy: Policy) -> str:
    content = _positive_zero(policy.content())
    del content["name"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_later(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = (item for item in value.items() if item[0] not in _LATER or item[1] != _LATER[item[0]])
    return {key: _without_later(item) for key, item in kept}


def _positive_zero(value: Any) -> Any:
    """The same content with 0.0 for -0.0, which is the same number."""
    if isinstance(value, dict):
        return {key: _positive_zero(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_positive_zero(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value
