"""The tools that a request declares, and how its answer may call them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gtalign.chain import Tool, Tools
from gtalign.chain.tools import tool_rules
from gtalign.errors import DataError
from gtalign.gateway.answers.values import flag, wrong
from gtalign.gateway.errors import Unsteerable

TOOLS: Final = "tools"
_CHOICE: Final = "tool_choice"
_MOST: Final = 128
_NAME: Final = 200  # characters


def read_tools(body: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Tools | None:
    """The tools that an answer may call; None if there are none, or it may call none.

    Args:
        body: The request.
        schema: The JSON Schema of an answer that calls none.

    Raises:
        APIError: They are no tools (400).
        Unsteerable: No grammar describes their calls; an engine may know another way.
    """
    given, choice = body.get(TOOLS), body.get(_CHOICE)
    if given is not None and not isinstance(given, list):
        raise wrong(TOOLS, "a list")
    several = body.get("parallel_tool_calls") is None or flag(body, "parallel_tool_calls")
    if not given or choice == "none":
        return None
    if len(given) > _MOST:
        raise _unsteerable(TOOLS, f"up to {_MOST} tools")
    tools = tuple(_tool(tool, f"{TOOLS}.{number}") for number, tool in enumerate(given))
    names = tuple(tool.name for tool in tools)
    if len(set(names)) < len(names):
        raise _unsteerable(TOOLS, "tools of different names")
    if choice in (None, "auto", "required"):
        found = Tools(tools, names, choice == "required", several)
    else:
        found = _chosen(tools, names, choice, several=several)
    try:
        tool_rules(found, schema)
    except DataError as error:
        raise Unsteerable(TOOLS, f"{TOOLS!r} cannot be steered: {error}", param=TOOLS) from None
    return found


def _tool(value: Any, param: str) -> Tool:
    if not isinstance(value, dict):
        raise wrong(param, "an object of the type 'function'")
    function = value.get("function")
    if value.get("type") != "function" or not isinstance(function, dict):
        raise _unsteerable(param, "of the type 'function'")
    name, told = function.get("name"), function.get("description")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME or not name.isprintable():
        raise _unsteerable(f"{param}.function.name", f"a name of up to {_NAME} characters")
    if told is not None and not isinstance(told, str):
        raise wrong(f"{param}.function.description", "a text")
    parameters = function.get("parameters")
    if parameters is None:
        return Tool(name, told or "")
    if not isinstance(parameters, dict):
        raise wrong(f"{param}.function.parameters", "an object: a JSON Schema")
    schema = {"type": "object", **parameters}
    if schema["type"] != "object":
        raise _unsteerable(f"{param}.function.parameters", "a schema of the type 'object'")
    return Tool(name, told or "", schema)


def _chosen(tools: tuple[Tool, ...], names: Sequence[str], choice: Any, *, several: bool) -> Tools:
    """The tools of a request that names one, or some, of those that it declares."""
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return Tools(tools, _known(names, [choice]), required=True, several=False)
    given = choice.get(kind) if isinstance(kind, str) else None
    if kind == "allowed_tools" and isinstance(given, dict) and isinstance(given.get(TOOLS), list):
        mode = given.get("mode")
        if mode in ("auto", "required"):
            return Tools(tools, _known(names, given[TOOLS]), mode == "required", several)
    raise _unsteerable(_CHOICE, "auto, none, required, or an object that names functions")


def _known(names: Sequence[str], choices: Sequence[Any]) -> tuple[str, ...]:
    """The names of the tools that a choice names."""
    found = []
    for one in choices:
        function = one.get("function") if isinstance(one, dict) else None
        found.append(function.get("name") if isinstance(function, dict) else None)
    if not found or not all(name in names for name in found):
        raise _unsteerable(_CHOICE, "the name of a tool that the request declares")
    return tuple(name for name in names if name in found)


def _unsteerable(param: str, right: str) -> Unsteerable:
    return Unsteerable(TOOLS, f"{param!r} has to be {right}", param=param)
