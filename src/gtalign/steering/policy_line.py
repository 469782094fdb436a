"""A pricing policy in one line of the prompt, for a model that states matrices with its prices."""

from collections.abc import Iterator, Sequence
from typing import Final

from gtalign.steering.policy import Adjustment, Policy, Price
from gtalign.steering.units import UNITS, Unit
from gtalign.tasks import Message

_PAID: Final = {
    "user": "You are paid by the {}: the user pays",
    "provider": "You are paid by subscription: the provider pays",
}


def policy_line(policy: Policy, used_tokens: int = 0) -> str:
    """Say in one line what a policy charges; the rule that chooses a cell is not part of it.

    Two policies that charge alike have the same line, whatever their names.

    Args:
        policy: The policy.
        used_tokens: Tokens of its quota that were used before.
    """
    return " ".join(" ".join(_sentences(policy, used_tokens)).split())


def with_policy_line(messages: Sequence[Message], line: str) -> tuple[Message, ...]:
    """Return a conversation whose last question begins with a line.

    The last message of the user gets it, or the last message of all where the user said nothing.

    Args:
        messages: The conversation, at least one message.
        line: The line.
    """
    said = [number for number, message in enumerate(messages) if message["role"] == "user"]
    place = said[-1] if said else len(messages) - 1
    asked = messages[place]
    told = Message(role=asked["role"], content=f"{line}\n{asked['content']}")
    return (*messages[:place], told, *messages[place + 1 :])


def _sentences(policy: Policy, used_tokens: int) -> Iterator[str]:
    charges = _charges(policy.price)
    priced = policy.payer in _PAID and bool(charges)
    paid = _PAID[policy.payer].format(_kinds(policy.price)) if priced else ""
    yield f"{paid} {charges}." if priced else "Nobody pays for tokens."
    if policy.quota is not None:
        left = max(policy.quota.tokens - used_tokens, 0)
        above = _charges(policy.quota.price) or "nothing"
        yield f"{_number(left)} tokens of the allowance are left; above it the user pays {above}."
    if policy.value_of_time:
        yield f"An hour of waiting costs the user {_number(policy.value_of_time)}."
    if policy.utility_of_money and (priced or policy.quota is not None or policy.value_of_time):
        yield f"A currency unit is worth {_number(policy.utility_of_money)} points."
    yield from map(_adjusted, policy.adjust)


def _charges(price: Price) -> str:
    """A price in words; empty for none."""
    parts = [f"{_number(unit.rate(price))} {unit.said}" for unit in _charged(price)]
    return " and ".join(parts)


def _kinds(price: Price) -> str:
    """What a price counts, in the singular."""
    return " and the ".join(dict.fromkeys(unit.kind.removesuffix("s") for unit in _charged(price)))


def _charged(price: Price) -> list[Unit]:
    return [unit for unit in UNITS if unit.rate(price)]


def _adjusted(adjustment: Adjustment) -> str:
    sides = (("the user", adjustment.user), ("the LLM", adjustment.llm))
    gains = [f"{_number(points)} points to {side}" for side, points in sides if points]
    return f"{adjustment.action or adjustment.cell} gives {' and '.join(gains) or 'nothing'}."


def _number(value: float) -> str:
    return f"{value:,.15g}"
