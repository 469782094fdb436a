"""Tools that a response may call: how they are told, the form of a call, and its grammar.

A call is a JSON object between two tags, as many models learn to write it:

    <tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>

Calls stand at the end of a response, one after the other. No argument holds ``<``, which JSON can
write as ``\\u003c``, so the tag that follows a call is its end.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gtalign.chain.automaton import Budget
from gtalign.chain.blocks import TAGS
from gtalign.chain.grammar import words_rules
from gtalign.chain.json_rules import ROOT, json_rules, literal
from gtalign.chain.prompt import fill, template
from gtalign.errors import DataError
from gtalign.game.form import USER_LLM, GameForm

CALL_OPENS: Final = "<tool_call>"
CALL_CLOSES: Final = "</tool_call>"

MOST_CALLS: Final = 16
"""Calls in one response, unless it is told."""

_RULES: Final = 4000  # for all tools together
_NONE: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": False}
_FORM: Final = f'{CALL_OPENS}{{"name": NAME, "arguments": {{...}}}}{CALL_CLOSES}'


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a response may call.

    Args:
        name: Its name.
        description: What it does; empty if nothing is said.
        parameters: The JSON Schema of its arguments, which are an object.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NONE, hash=False)


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one request, and how a response may call them.

    Args:
        all: The tools that the prompt lists.
        names: The names of those that it may call.
        required: Whether the response consists of calls alone; if not, it may call or not.
        several: Whether one response may hold more than one call.
    """

    all: tuple[Tool, ...]
    names: tuple[str, ...]
    required: bool = False
    several: bool = True


def tool_rules(
    tools: Tools, schema: Mapping[str, Any] | None = None, most: int = MOST_CALLS
) -> dict[str, str]:
    """The rules for a response that may call tools, by name; the first is of the whole response.

    Args:
        tools: The tools.
        schema: The JSON Schema of a response that calls none; None for a response in words.
        most: Most calls in the response, 1 or more.

    Raises:
        DataError: No grammar says what a schema says; the message names the tool and the place.
    """
    calls = f"call ([ \\n]{{0,2}} call){{0,{most - 1}}}" if tools.several else "call"
    rules = {"said": "calls", "calls": calls}
    if not tools.required:
        rules["said"] = "calls | words calls?" if schema is None else f"calls | {ROOT}"
    budget = Budget()
    called = [tool for tool in tools.all if tool.name in tools.names]
    names = [f"call-{number}" for number, _ in enumerate(called)]
    between = f"[ \\n]{{0,2}} ({' | '.join(names)}) [ \\n]{{0,2}}"
    rules["call"] = f'"{CALL_OPENS}" {between} "{CALL_CLOSES}"'
    for rule, tool in zip(names, called, strict=True):
        try:
            found = json_rules(tool.parameters, f"{rule}-arguments", budget)
        except DataError as error:
            raise DataError(f"tool {tool.name[:80]!r}: {error}") from None
        named = f'"{{\\"name\\": " {literal(tool.name)} ", \\"arguments\\": "'
        rules |= {rule: f'{named} {rule}-arguments "}}"', **found}
        if len(rules) > _RULES:
            raise DataError(f"tools: they take more than {_RULES} rules")
    if schema is not None and not tools.required:
        rules |= json_rules(schema, budget=budget)
    return rules | words_rules((*TAGS, CALL_OPENS, CALL_CLOSES))


def tool_prompt(tools: Tools, form: GameForm = USER_LLM) -> str:
    """The instruction that tells a model of its tools, and how it calls them.

    Args:
        tools: The tools.
        form: The game of its chain. In that of one assistant turn, a call is a direct answer.
    """
    when = " ".join(_rules_of(tools, form))
    told = "\n".join(map(_told, tools.all))
    return fill(template("tools"), {"tools": told, "when": when, "form": _FORM})


def _told(tool: Tool) -> str:
    """A tool as one line of JSON."""
    told: dict[str, Any] = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    return json.dumps(told | {"parameters": tool.parameters}, ensure_ascii=False)


def _rules_of(tools: Tools, form: GameForm) -> Iterator[str]:
    """The sentences that say when to call."""
    if form == USER_LLM:
        yield "A call counts as a direct answer."
    if tools.required:
        yield "Here the <response> consists of calls and holds no words."
    else:
        yield "Call a tool where it serves the user, and else answer in words."
    if len(tools.names) < len(tools.all):
        yield f"Call no other tool than {', '.join(tools.names)}."
    if not tools.several:
        yield "Write one call at most."
