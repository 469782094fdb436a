"""A request for a response, as the body of a chat."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.gateway.answers.responses.items import read_input
from gtalign.gateway.answers.translation import Untranslatable, others, streaming
from gtalign.gateway.answers.values import table, wrong

_KEEPS_NOTHING: Final = "the gateway keeps no responses; send the whole conversation as input"
_LACKING: Final[Mapping[str, str]] = {
    "previous_response_id": _KEEPS_NOTHING,
    "conversation": _KEEPS_NOTHING,
    "prompt": "the gateway keeps no prompts; send instructions and input",
    "background": "an answer is written while its client waits; leave it out",
    "context_management": "the gateway shortens no conversation; leave it out",
    "moderation": "the gateway asks no moderation; leave it out",
    "top_logprobs": "an answer comes without the probabilities of its tokens; leave it out",
}
"""What a chat lacks, and what to do instead. A false or empty value asks for nothing."""

# What changes no answer here, or concerns tools that only OpenAI runs.
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("store", "metadata", "truncation", "service_tier", "user", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "image"),
        *("include", "max_tool_calls", "access_programs", "background_options"),
    }
)
_AS_IN_CHAT: Final = ("model", "temperature", "top_p", "parallel_tool_calls")
_READ: Final = frozenset(
    {
        *_AS_IN_CHAT,
        *("input", "instructions", "max_output_tokens", "stream", "stream_options"),
        *("text", "reasoning", "tools", "tool_choice"),
    }
)
_KNOWN: Final = frozenset(_LACKING) | _WITHOUT_EFFECT | _READ
_LOGPROBS: Final = "message.output_text.logprobs"


def read_response(body: Mapping[str, Any], origins: list[str]) -> dict[str, Any]:
    """Return the body of a chat.

    Args:
        body: The request.
        origins: Takes the field that each message comes from.

    Raises:
        APIError: It is wrong (400).
        Untranslatable: A chat cannot express it.
    """
    for name, why in _LACKING.items():
        if body.get(name) not in (None, False, 0, "", [], {}):
            raise Untranslatable(name, why)
    include = body.get("include")
    if isinstance(include, list) and _LOGPROBS in include:
        raise Untranslatable("include", _LACKING["top_logprobs"])
    messages = []
    instructions = body.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise wrong("instructions", "a text")
    if instructions:
        origins.append("instructions")
        messages.append({"role": "system", "content": instructions})
    for origin, message in read_input(body.get("input")):
        origins.append(origin)
        messages.append(message)
    chat: dict[str, Any] = {"messages": messages}
    chat |= {name: body[name] for name in _AS_IN_CHAT if body.get(name) is not None}
    if body.get("max_output_tokens") is not None:
        chat["max_tokens"] = body["max_output_tokens"]
    chat |= streaming(body)
    chat |= _text(table(body, "text"))
    effort = table(body, "reasoning").get("effort")
    if effort is not None:
        chat["reasoning_effort"] = effort
    return others(body, _KNOWN) | chat | _tools(body)


def _text(text: Mapping[str, Any]) -> dict[str, Any]:
    """The form of the text, and how long it may be."""
    found = {} if text.get("verbosity") is None else {"verbosity": text["verbosity"]}
    form = text.get("format")
    if form is None:
        return found
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return found
    if kind == "json_object":
        return found | {"response_format": {"type": kind}}
    if kind != "json_schema":
        raise wrong("text.format.type", "one of text, json_object, json_schema")
    if not isinstance(form.get("schema"), dict):
        raise wrong("text.format.schema", "an object")
    schema = {name: value for name, value in form.items() if name != "type" and value is not None}
    return found | {"response_format": {"type": kind, "json_schema": schema}}


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
    if isinstance(choice, str):
        return found | {"tool_choice": choice}
    if not isinstance(choice, dict):
        raise wrong("tool_choice", "auto, none, required, or an object that names a function")
    if choice.get("type") != "function" or not isinstance(choice.get("name"), str):
        raise Untranslatable("tool_choice", "a chat can name a function, and nothing else")
    named = {"type": "function", "function": {"name": choice["name"]}}
    return found | {"tool_choice": named}


def _tool(tool: Any, param: str) -> dict[str, Any]:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if not isinstance(kind, str):
        raise wrong(param, "an object with a type")
    if kind != "function":
        why = f"nobody runs tools of type {kind[:40]!r} here; only functions can be called"
        raise Untranslatable(param, why)
    if not isinstance(tool.get("name"), str):
        raise wrong(f"{param}.name", "a text")
    names = ("name", "description", "parameters", "strict")
    function = {name: tool[name] for name in names if tool.get(name) is not None}
    return {"type": kind, "function": function}
