"""The edit of a payoff matrix: utility less the price of what each action takes, term by term."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from gtalign.errors import SteeringError
from gtalign.game import TOLERANCE, Bimatrix, GameForm
from gtalign.game.arrays import Payoffs
from gtalign.game.form import Player
from gtalign.steering.expected import ActionTokens, tokens_of
from gtalign.steering.fields import Fields
from gtalign.steering.policy import Policy, Price
from gtalign.steering.units import UNITS, Amounts

PLAYERS: Final[tuple[Player, Player]] = ("user", "llm")
"""The players in the order of the payoff array's last axis."""

DECIMALS: Final = round(-math.log10(TOLERANCE))
"""Most decimals of a payoff that is written; finer differences count as none in the package."""

FITTING: Final = ("shift", "clipping", "rounding")
"""Names of the terms that `fit` adds: they charge no one, and only make a matrix writable."""

_HOUR: Final = 3600.0
_NAMES: Final = {"user": "the user", "llm": "the provider"}


@dataclass(frozen=True, slots=True)
class Term:
    """One reason why payoffs of one player changed.

    Args:
        name: Name of the reason, such as ``output tokens``, ``time`` or ``rounding``.
        player: The player whose payoffs change.
        amounts: Points added, by cell key; cells that keep their payoff are left out.
        why: One sentence with the numbers and their units.
    """

    name: str
    player: Player
    amounts: Mapping[str, float] = field(hash=False)
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        return {
            "name": self.name,
            "player": self.player,
            "amounts": dict(self.amounts),
            "why": self.why,
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any] | Fields) -> "Term":
        """Read what `to_json` wrote; raises DataError that names a wrong field."""
        fields = Fields.of(source)
        amounts = fields.object("amounts")
        return cls(
            name=fields.text("name"),
            player=fields.choice("player", PLAYERS),
            amounts={cell: amounts.number(cell) for cell in amounts.names()},
            why=fields.text("why"),
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """A matrix before and after, and the terms that add up to the difference.

    Args:
        stated: The matrix as the model wrote it.
        edited: The matrix under the policy.
        terms: The terms that were added, in order.
    """

    stated: Bimatrix
    edited: Bimatrix
    terms: tuple[Term, ...]

    @property
    def charges(self) -> Payoffs:
        """Points that were added to each payoff, ``[m, n, 2]``."""
        return self.edited.payoffs - self.stated.payoffs


def edit(
    stated: Bimatrix,
    policy: Policy,
    expected: Mapping[str, ActionTokens],
    *,
    prompt_tokens: int = 0,
    used_tokens: int = 0,
) -> Edit:
    """Charge what each action is expected to take, and the user's time, to the payoffs.

    A charge is ``utility_of_money * price * amount / size`` points, for each of
    `gtalign.steering.units.UNITS` at its own price; it depends on the LLM's action alone. Written
    and read tokens use the rest of a quota, ``quota.tokens - used_tokens``, in proportion. The
    payer pays for that share of everything; the user pays for the rest at the quota's price. The
    result is exact: neither rounded nor limited to a range (see `fit`). All formulas are in
    docs/explanation/steering.md.

    Args:
        stated: The matrix as the model wrote it.
        policy: Who pays how much for what.
        expected: Expected tokens of every LLM action of the game.
        prompt_tokens: Tokens of this turn's prompt, which further turns read again.
        used_tokens: Tokens of the quota used so far, including this turn's prompt.

    Raises:
        ConfigError: The policy adjusts what the game does not have.
        SteeringError: Expected tokens of an action are missing, or a count is impossible.
    """
    form = stated.form
    policy.check(form)
    for name, count in (("prompt_tokens", prompt_tokens), ("used_tokens", used_tokens)):
        if not 0 <= count <= 2**53:
            raise SteeringError(f"{name} has to be a number of tokens, 0 to 2**53")
    tokens = {action: tokens_of(expected, action) for action in form.llm_actions}
    ratio = policy.characters_per_token
    amounts = {action: use.amounts(prompt_tokens, ratio) for action, use in tokens.items()}
    within = {action: within_quota(policy, use, used_tokens) for action, use in amounts.items()}
    terms: list[Term | None] = []
    paying: dict[str, Player | None] = {"user": "user", "provider": "llm", "nobody": None}
    payer = paying[policy.payer]
    if payer is not None:
        terms += _charges(form, policy, payer, policy.price, amounts, within, "")
    if policy.quota is not None:
        above = {action: 1.0 - share for action, share in within.items()}
        terms += _charges(form, policy, "user", policy.quota.price, amounts, above, " above quota")
    terms += [_time(form, policy, tokens), *_adjustments(form, policy)]
    kept = tuple(term for term in terms if term is not None)
    return Edit(stated, _add(stated, kept), kept)


def within_quota(policy: Policy, amounts: Amounts, used_tokens: int) -> float:
    """The share of amounts that is within a policy's quota; 1 if it has none, 0 if it is used up.

    Args:
        policy: The policy.
        amounts: What is taken.
        used_tokens: Tokens of the quota used before.
    """
    if policy.quota is None:
        return 1.0
    left = max(policy.quota.tokens - used_tokens, 0)
    if not left:
        return 0.0  # also of an answer without tokens, which may have a price
    total = amounts.output + amounts.input
    return left / total if total > left else 1.0


def fit(edit: Edit, *, decimals: int, low: float, high: float) -> Edit:
    """Make an edited matrix one that a chain can hold: few decimals, payoffs in a range.

    Each player's payoffs are rounded. If one then lies outside the range, all of them are shifted
    by one constant, the smallest that helps, in steps of the last decimal: who prefers which cell,
    the order of sums and every equilibrium stay as they were. If they are spread wider than the
    range, the highest is shifted to its upper end and the lowest are clipped, since the choice is
    among the high ones. No two payoffs of a player change places. The changes are terms as well.

    Args:
        edit: The edit whose edited matrix is to be fitted.
        decimals: Most decimals of a payoff, 0 to `DECIMALS`.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.

    Raises:
        SteeringError: No payoff of that many decimals lies in the range.
    """
    if not 0 <= decimals <= DECIMALS:
        raise SteeringError(f"a payoff has 0 to {DECIMALS} decimals, not {decimals}")
    scale = 10**decimals
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SteeringError(f"payoffs are fitted to a finite range, not [{low}, {high}]")
    slack = TOLERANCE / 2
    bottom, top = math.ceil((low - slack) * scale), math.floor((high + slack) * scale)
    if bottom > top:
        raise SteeringError(f"no payoff of {decimals} decimals lies in [{low:g}, {high:g}]")
    form = edit.edited.form
    payoffs = np.empty((*form.shape, len(PLAYERS)))
    terms: list[Term | None] = []
    for side, player in enumerate(PLAYERS):
        exact = [float(value) for value in edit.edited.payoffs[..., side].flat]
        ticks = [round(value * scale) for value in exact]
        shift = _shift(min(ticks), max(ticks), bottom, top)
        fitted = [max(tick + shift, bottom) for tick in ticks]
        payoffs[..., side] = np.reshape([tick / scale for tick in fitted], form.shape)
        bounds = f"[{bottom / scale:g}, {top / scale:g}]"
        shifted = "shifted alike, by {:+g} points, to lie in {}: no preference changes"
        clipped = "raised to {:g}, as they are spread wider than {}"
        reasons = (
            ("shift", shifted.format(shift / scale, bounds), [shift / scale] * len(ticks)),
            (
                "clipping",
                clipped.format(bottom / scale, bounds),
                [(f - t - shift) / scale for f, t in zip(fitted, ticks, strict=True)],
            ),
            (
                "rounding",
                f"rounded to {decimals} decimals",
                [t / scale - value for t, value in zip(ticks, exact, strict=True)],
            ),
        )
        for name, why, amounts in reasons:
            if any(amounts):
                by_cell = dict(zip(form.cells, amounts, strict=True))
                terms.append(_term(name, player, by_cell, f"payoffs of {player} are {why}"))
    kept = tuple(term for term in terms if term is not None)
    return Edit(edit.stated, Bimatrix(form, payoffs), (*edit.terms, *kept))


def _shift(least: int, most: int, bottom: int, top: int) -> int:
    """The shift that moves numbers from `least` to `most` into a range, if one exists."""
    if most > top or most - least > top - bottom:
        return top - most
    return max(bottom - least, 0)


def _charges(
    form: GameForm,
    policy: Policy,
    player: Player,
    price: Price,
    amounts: Mapping[str, Amounts],
    share: Mapping[str, float],
    limit: str,
) -> list[Term | None]:
    """What one player pays for a share of what the actions take."""
    terms = []
    for unit in UNITS:
        rate = unit.rate(price)
        if not rate * policy.utility_of_money:
            continue
        counts = {action: unit.count(amounts[action]) * share[action] for action in amounts}
        each = -policy.utility_of_money * rate / unit.size
        points = {action: each * count for action, count in counts.items()}
        why = (
            f"{_NAMES[player]} pays {rate:g} {unit.rated}{limit}, and a currency unit "
            f"is worth {policy.utility_of_money:g} points: {_listed(counts, points, unit.kind)}"
        )
        terms.append(_term(f"{unit.name}{limit}", player, _columns(form, points), why))
    return terms


def _time(form: GameForm, policy: Policy, tokens: Mapping[str, ActionTokens]) -> Term | None:
    """What the user's waiting and answering costs the user."""
    if not policy.utility_of_money * policy.value_of_time:
        return None
    seconds = {
        action: use.written() / policy.tokens_per_second + use.turns * policy.reply_seconds
        for action, use in tokens.items()
    }
    each = -policy.utility_of_money * policy.value_of_time / _HOUR
    points = {action: each * count for action, count in seconds.items()}
    why = (
        f"an hour costs the user {policy.value_of_time:g}, and a currency unit is worth "
        f"{policy.utility_of_money:g} points: {_listed(seconds, points, 's')}"
    )
    return _term("time", "user", _columns(form, points), why)


def _adjustments(form: GameForm, policy: Policy) -> list[Term | None]:
    """The further points that the policy adds, summed for each player."""
    terms = []
    for player in PLAYERS if policy.adjust else ():
        amounts = dict.fromkeys(form.cells, 0.0)
        parts = []
        for adjustment in policy.adjust:
            points = adjustment.user if player == "user" else adjustment.llm
            if adjustment.action is not None:
                meant = form.meant_by(adjustment.action)
                place = f"all cells of {' and '.join(meant)}"
                cells = list(_columns(form, dict.fromkeys(meant, points)))
            else:
                place = str(adjustment.cell)
                cells = [place]
            for cell in cells:
                amounts[cell] += points
            if points:
                parts.append(f"{points:+g} in {place}")
        why = f"policy {policy.name!r} adds points: {', '.join(parts)}"
        terms.append(_term("adjustment", player, amounts, why))
    return terms


def _columns(form: GameForm, points: Mapping[str, float]) -> dict[str, float]:
    """Points by LLM action as points by cell."""
    return {
        form.cell(row, column): points[action]
        for row in range(len(form.user))
        for column, action in enumerate(form.llm_actions)
        if action in points
    }


def _listed(counts: Mapping[str, float], points: Mapping[str, float], unit: str) -> str:
    return ", ".join(f"{a} {counts[a]:,.6g} {unit} ({points[a] + 0.0:+.3g})" for a in counts)


def _term(name: str, player: Player, amounts: Mapping[str, float], why: str) -> Term | None:
    changed = {cell: amount for cell, amount in amounts.items() if amount}
    return Term(name, player, changed, why) if changed else None


def _add(game: Bimatrix, terms: Iterable[Term]) -> Bimatrix:
    payoffs = np.array(game.payoffs)
    for term in terms:
        for cell, amount in term.amounts.items():
            payoffs[(*game.form.index(cell), PLAYERS.index(term.player))] += amount
    return Bimatrix(game.form, payoffs)
