"""A request for a message in Anthropic's form, as the body of a chat."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.gateway.answers.anthropic.turns import read_system, read_turns
from gtalign.gateway.answers.translation import Untranslatable, others, streaming
from gtalign.gateway.answers.values import table, wrong

_LACKING: Final[Mapping[str, str]] = {
    "container": "the gateway runs no containers; leave it out",
    "context_management": "the gateway shortens no conversation; leave it out",
    "mcp_servers": "the gateway calls no servers; leave it out",
}
"""What a chat lacks, and what to do instead. An empty value asks for nothing."""

_WITHOUT_EFFECT: Final = frozenset(
    {
        *("metadata", "service_tier", "cache_control", "inference_geo", "speed", "diagnostics"),
        *("thinking", "user_profile_id", "workspace_id", "betas"),
    }
)
_AS_IN_CHAT: Final = ("model", "max_tokens", "temperature", "top_p", "top_k")
_READ: Final = frozenset(
    {
        *_AS_IN_CHAT,
        *("messages", "system", "stop_sequences", "stream", "tools", "tool_choice"),
        *("output_config", "output_format"),
    }
)
_KNOWN: Final = frozenset(_LACKING) | _WITHOUT_EFFECT | _READ
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def read_message(body: Mapping[str, Any], origins: list[str]) -> dict[str, Any]:
    """Return the body of a chat.

    Args:
        body: The request.
        origins: Takes the field that each message comes from.

    Raises:
        APIError: It is wrong (400).
        Untranslatable: A chat cannot express it.
    """
    for name, why in _LACKING.items():
        if body.get(name) not in (None, "", [], {}):
            raise Untranslatable(name, why)
    if body.get("max_tokens") is None:
        raise wrong("max_tokens", "there: the most tokens to write, 1 or more")
    messages = []
    system = read_system(body.get("system"))
    if system:
        origins.append("system")
        messages.append({"role": "system", "content": system})
    for origin, message in read_turns(body.get("messages")):
        origins.append(origin)
        messages.append(message)
    chat: dict[str, Any] = {"messages": messages}
    chat |= {name: body[name] for name in _AS_IN_CHAT if body.get(name) is not None}
    stops = body.get("stop_sequences")
    if stops is not None:
        if not isinstance(stops, list) or not all(isinstance(text, str) for text in stops):
            raise wrong("stop_sequences", "a list of texts")
        chat["stop"] = stops
    chat |= streaming(body)
    return others(body, _KNOWN) | chat | _output(body) | _tools(body)


def _output(body: Mapping[str, Any]) -> dict[str, Any]:
    """The form of the answer, and the effort."""
    config = table(body, "output_config")
    found = {} if config.get("effort") is None else {"reasoning_effort": config["effort"]}
    where, form = "output_config.format", config.get("format")
    if form is None:
        where, form = "output_format", body.get("output_format")
    if form is None:
        return found
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise wrong(where, "an object of type json_schema")
    if not isinstance(form.get("schema"), dict):
        raise wrong(f"{where}.schema", "an object")
    schema = {"name": "answer", "schema": form["schema"], "strict": True}
    return found | {"response_format": {"type": "json_schema", "json_schema": schema}}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise wrong("tools", "a list")
    if not tools:
        return {}
    found: dict[str, Any] = {
        "tools": [_tool(tool, f"tools.{number}") for number, tool in enumerate(tools)]
    }
    choice = body.get("tool_choice")
    if choice is None:
        return found
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool" and isinstance(choice.get("name"), str):
        named = {"type": "function", "function": {"name": choice["name"]}}
        found["tool_choice"] = named
    elif isinstance(kind, str) and kind in _CHOICES:
        found["tool_choice"] = _CHOICES[kind]
    else:
        raise wrong("tool_choice", "of type auto, any or none, or of type tool with a name")
    if choice.get("disable_parallel_tool_use") is True:
        found["parallel_tool_calls"] = False
    return found


def _tool(tool: Any, param: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise wrong(param, "an object with name and input_schema")
    kind = tool.get("type")
    if kind not in (None, "custom"):
        raise Untranslatable(param, f"a chat has no tools of type {str(kind)[:40]!r}")
    if not isinstance(tool.get("name"), str):
        raise wrong(f"{param}.name", "a text")
    if not isinstance(tool.get("input_schema"), dict):
        raise wrong(f"{param}.input_schema", "an object")
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function |= {n: tool[n] for n in ("description", "strict") if tool.get(n) is not None}
    return {"type": "function", "function": function}
