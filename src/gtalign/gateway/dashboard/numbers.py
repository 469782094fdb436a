"""The numbers that a user moves on the what-if page, each by a slider or a field."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gtalign.config import load_table
from gtalign.errors import ConfigError
from gtalign.game import GameForm
from gtalign.steering import ActionTokens, Policy

SLIDER: Final = ".slider"
WAS: Final = ".was"
"""Endings of the name of a slider, and of the value with which the page was rendered."""

_STEPS: Final = 200
_LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Number:
    """A number to move.

    Args:
        name: Its key in a policy, or what else it is.
        label: Label for people.
        unit: Unit of the number.
        most: Greatest value of the slider, unless the number is greater.
        least: Least value of the slider.
        money: Whether the unit is an amount of money, per `unit`.
    """

    name: str
    label: str
    unit: str
    most: float
    least: float = 0.0
    money: bool = False


_PRICED: Final = (
    ("output", "tokens written", "a million", 60),
    ("input", "tokens read", "a million", 12),
    ("output_characters", "characters written", "a million", 15),
    ("input_characters", "characters read", "a million", 3),
    ("answer", "an answer", "each", 0.1),
)
PRICES: Final = tuple(
    Number(f"price.{key}", f"Price of {what}", unit, most, money=True)
    for key, what, unit, most in _PRICED
)
WORTH: Final = (
    Number("utility_of_money", "Worth of a currency unit", "points", 400),
    Number("characters_per_token", "Characters of a token", "characters", 8, 1),
)
TIMES: Final = (
    Number("value_of_time", "Price of the user's hour", "an hour", 40, money=True),
    Number("reply_seconds", "Time to answer a question", "s", 120),
    Number("tokens_per_second", "Speed of the model", "tokens/s", 200, 1),
)
OF_POLICY: Final = (*PRICES, *WORTH, *TIMES)
"""Numbers of every policy."""

QUOTA: Final = (
    Number("quota.tokens", "Tokens included", "a period", 2_000_000),
    *(
        Number(f"quota.price.{key}", f"Above the quota, {what}", unit, most, money=True)
        for key, what, unit, most in _PRICED
    ),
)
TURN: Final = (
    Number("prompt_tokens", "Tokens of the prompt", "tokens", 8_000),
    Number("used_tokens", "Quota used before", "tokens", 2_000_000),
)
_EXPECTED: Final = (
    ("output", "written in this turn", "tokens", 3_000),
    ("turns", "further turns", "turns", 3),
    ("follow_up", "written in each", "tokens", 3_000),
    ("reply", "read from the user", "tokens", 400),
)


def expected_numbers(form: GameForm) -> tuple[tuple[str, tuple[Number, ...]], ...]:
    """The expected tokens of each LLM action, by action."""
    return tuple(
        (
            action,
            tuple(
                Number(f"expected.{action}.{name}", f"{action}: {label}", unit, most)
                for name, label, unit, most in _EXPECTED
            ),
        )
        for action in form.llm_actions
    )


def numbers_of(form: GameForm) -> tuple[Number, ...]:
    """All of them."""
    expected = (number for _, numbers in expected_numbers(form) for number in numbers)
    return (*OF_POLICY, *QUOTA, *TURN, *expected)


@dataclass(frozen=True, slots=True)
class Dial:
    """A number with its value, as it is drawn.

    Args:
        number: Which.
        text: Its value, as it is or was typed.
        most: Greatest value of the slider.
        step: Step of the slider.
    """

    number: Number
    text: str
    most: float
    step: float

    @property
    def slider(self) -> str:
        """The slider's value."""
        value = _real(self.text)
        return self.text if value is not None else plain(self.number.least)


def dial(number: Number, text: str) -> Dial:
    """Draw a number with this value."""
    value = _real(text)
    most = number.most if value is None else reach(number, value)
    return Dial(number, text, most, most / _STEPS)


def reach(number: Number, value: float) -> float:
    """Where a number's slider ends: at its usual end, or at a round number beyond the value."""
    if value <= number.most:
        return number.most
    size = 10.0 ** math.floor(math.log10(value))
    return float(next(size * f for f in (1, 2, 5, 10) if size * f >= value * (1 - 1e-9)))


def plain(value: float) -> str:
    """A number as a field shows it: without an exponent, and no longer than it has to be."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return text if float(text) == value else repr(float(value))


def texts_of(
    policy: Policy, expected: Mapping[str, ActionTokens], prompt_tokens: int, used_tokens: int
) -> dict[str, str]:
    """The values of all numbers, by name; those of a quota that there is not are 0."""
    found: dict[str, str] = {}
    for number in (*OF_POLICY, *QUOTA):
        value: Any = policy
        for key in number.name.split("."):
            value = 0 if value is None or value == 0 else getattr(value, key)
        found[number.name] = plain(value)
    for action, tokens in expected.items():
        for name, *_ in _EXPECTED:
            found[f"expected.{action}.{name}"] = plain(getattr(tokens, name))
    found |= {"prompt_tokens": plain(prompt_tokens), "used_tokens": plain(used_tokens)}
    return found


def sent_texts(
    sent: Mapping[str, str], texts: Mapping[str, str], form: GameForm
) -> tuple[dict[str, str], str]:
    """What a form says of each number, and the name of one that was moved; empty if none was.

    Where a script runs, slider and field agree. Without one, whichever was moved counts.

    Args:
        sent: The fields of the form.
        texts: A value for each number, where the form says nothing.
        form: The game.
    """
    numbers = {number.name: number for number in numbers_of(form)}
    found, moved = {}, ""
    for name, default in texts.items():
        text = sent.get(name, default).strip()[:_LONGEST]
        was = sent.get(name + WAS, text)
        slider = sent.get(name + SLIDER, was).strip()[:_LONGEST]
        if text == was and _apart(slider, was) > 0.51 * dial(numbers[name], was).step:
            text = slider  # it shows the nearest of its steps, so that less than half is no move
        if text != was and not moved:
            moved = name
        found[name] = text
    return found, moved


def read_number(texts: Mapping[str, str], name: str) -> float:
    """One value.

    Raises:
        ConfigError: It is no number; the message names it.
    """
    value = _real(texts[name])
    if value is None:
        raise ConfigError(f"{name}: a number, not {texts[name]!r}")
    return value


def read_count(texts: Mapping[str, str], name: str) -> int:
    """One value that counts tokens; raises ConfigError that names it."""
    value = read_number(texts, name)
    if not (0 <= value <= 2**53 and value == int(value)):
        raise ConfigError(f"{name}: a whole number of tokens, 0 or more, not {texts[name]!r}")
    return int(value)


def read_policy(base: Policy, texts: Mapping[str, str], choices: Mapping[str, Any]) -> Policy:
    """A policy with the numbers of a form.

    Args:
        base: Whose name and adjustments it has.
        texts: The numbers.
        choices: ``payer``, ``solution``, ``tie_break``, ``rho``, and ``quota``: whether there is.

    Raises:
        ConfigError: One has no such value; the message names the key.
    """
    table: dict[str, Any] = base.model_dump() | {"quota": None}
    for number in (*OF_POLICY, *(QUOTA if choices["quota"] else ())):
        value: float | int = read_number(texts, number.name)
        if number.name == "quota.tokens":
            value = read_count(texts, number.name)
        *parents, last = number.name.split(".")
        place = table
        for parent in parents:
            place[parent] = place[parent] if isinstance(place.get(parent), dict) else {}
            place = place[parent]
        place[last] = value
    table |= {name: choices[name] for name in ("payer", "solution", "tie_break", "rho")}
    return load_table(Policy, table, "the policy")


def read_expected(form: GameForm, texts: Mapping[str, str]) -> dict[str, ActionTokens]:
    """The expected tokens of each LLM action; raises ConfigError that names a wrong one."""
    found = {}
    for action in form.llm_actions:
        keys = {name: read_number(texts, f"expected.{action}.{name}") for name, *_ in _EXPECTED}
        found[action] = load_table(ActionTokens, keys, f"expected.{action}")
    return found


def _real(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= 1e15 else None


def _apart(one: str, other: str) -> float:
    """The distance of two numbers; 0 if one is none."""
    first, second = _real(one), _real(other)
    return 0.0 if first is None or second is None else abs(first - second)
