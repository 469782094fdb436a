"""The instruction that asks a model for a chain, made from the game form."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

from gtalign.errors import GameError
from gtalign.game.form import USER_LLM, GameForm

_PLACEHOLDER: Final = re.compile(r"\{\{([a-z_]+)\}\}")

Style = Literal["full", "short", "examples"]
"""How much an instruction says: all rules, as rows of data to train on carry it; the form in a few
lines; or those lines and worked examples."""


@lru_cache(maxsize=64)
def prompt(
    form: GameForm = USER_LLM,
    *,
    low: float = -5.0,
    high: float = 5.0,
    style: Style = "full",
    belief: bool = False,
) -> str:
    """Return the system instruction for a chain about `form` with payoffs in ``[low, high]``.

    The rule for the choice is the published one: the frontier cell with the highest sum, then the
    highest payoff of the user, then the form's order (GTAlign, arXiv 2510.08872, section 3).

    Args:
        form: The game.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.
        style: How much it says.
        belief: Whether the chain states a belief, in a block of its own before the payoff.

    Raises:
        GameError: Examples are wanted of another game than ``USER_LLM``; there are none.
    """
    if style == "full":
        return _full(form, low, high, belief)
    if style == "examples" and form != USER_LLM:
        raise GameError("the instruction has examples only for the game of one assistant turn")
    parts = (_short(form, low, high, belief), _written(form))
    short = "\n\n".join(part for part in parts if part)
    return f"{short}\n\n{_examples(belief)}" if style == "examples" else short


def template(name: str) -> str:
    """The text of a prompt file of this package, with its placeholders."""
    return files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


def _examples(belief: bool) -> str:
    stated = {
        "clear": '<belief>{"DQ": 0.95, "VQ": 0.05}</belief>\n',
        "vague": '<belief>{"DQ": 0.1, "VQ": 0.9}</belief>\n',
    }
    return fill(template("examples"), stated if belief else dict.fromkeys(stated, ""))


def _stated(form: GameForm, belief: bool, number: str) -> dict[str, str]:
    """What the templates say of a belief; nothing, where the chain states none."""
    if not belief:
        return {"number": "four", "belief": "", "shares": ""}
    block = ", ".join(f'"{action}": {number}' for action in form.user_actions)
    return {
        "number": "five",
        "belief": f"<belief>{{{block}}}</belief>\n",
        "shares": " The belief block is JSON as well: how likely it is that the user's message is"
        f" each of {', '.join(form.user_actions)}, as numbers from 0 to 1 that add up to 1. Be as"
        " sure as you are right: of ten messages with 0.7, seven are what it says.",
    }


def _short(form: GameForm, low: float, high: float, belief: bool) -> str:
    return fill(
        template("short"),
        {
            **_stated(form, belief, "0.0"),
            "payoff": f'{{"{form.cells[0]}": {{"LLM": 0.0, "user": 0.0}}, ...}}',
            "user_actions": _either(form.user),
            "llm_actions": _either(form.llm),
            "cells": ", ".join(form.cells),
            "low": f"{low:g}",
            "high": f"{high:g}",
        },
    )


def _full(form: GameForm, low: float, high: float, belief: bool) -> str:
    cells = (f'"{cell}": {{"LLM": number, "user": number}}' for cell in form.cells)
    return fill(
        template("chain"),
        {
            **_stated(form, belief, "number"),
            "user_actions": _list(form.user),
            "llm_actions": _list(form.llm),
            "first_cell": form.cells[0],
            "count": str(len(form.cells)),
            "cells": ", ".join(form.cells),
            "payoff": "{" + ", ".join(cells) + "}",
            "written": written(form),
            "low": f"{low:g}",
            "high": f"{high:g}",
        },
    )


def written(form: GameForm) -> str:
    """How each action is written: so that its sign shows, or in the words of the usual game."""
    return _written(form) or template("written").strip()


def _written(form: GameForm) -> str:
    """How to write each action so that its sign shows; empty for the usual game, or no signs."""
    if form == USER_LLM or not form.signs:
        return ""
    return "Write each action so:\n" + "\n".join(f"- {a}: {sign.told()}." for a, sign in form.signs)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace each ``{{name}}`` of `template` by its value, in one pass.

    Braces and placeholders inside a value are left as they are.

    Raises:
        KeyError: The template names a value that is not given, or a value is never named.
    """
    unused = values.keys() - placeholders(template)
    if unused:
        raise KeyError(f"the template never uses {', '.join(sorted(unused))}")
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], template).strip()


def placeholders(template: str) -> frozenset[str]:
    """Names of the values that a template asks for."""
    return frozenset(_PLACEHOLDER.findall(template))


def _list(actions: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"- {name}: {description}" for name, description in actions)


def _either(actions: tuple[tuple[str, str], ...]) -> str:
    *first, last = (f"{name} ({description})" for name, description in actions)
    return f"{', '.join(first)} or {last}" if first else last
