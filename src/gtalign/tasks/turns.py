"""Who speaks in a message, in any of the forms that servers and logs give it.

Roles have several names: ``human`` and ``ai`` (LangChain), ``human`` and ``gpt`` under ``from``
(ShareGPT), ``model`` (Gemini). LangChain keeps what a message says in ``data`` or ``kwargs``. The
items of OpenAI's Responses are messages too, and reasoning and calls of tools beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_ROLES: Final = {
    **dict.fromkeys(("user", "human", "humanmessage", "prompter"), "user"),
    **dict.fromkeys(("assistant", "ai", "aimessage", "aimessagechunk", "gpt"), "assistant"),
    **dict.fromkeys(("model", "bot", "chatbot", "chatgpt"), "assistant"),
    **dict.fromkeys(("system", "systemmessage"), "system"),
    **dict.fromkeys(("tool", "toolmessage"), "tool"),
}
_FIELDS: Final = ("role", "from", "type")
_BODIES: Final = ("data", "kwargs")
_ITEMS: Final = {
    **dict.fromkeys(("reasoning", "function_call", "custom_tool_call"), "assistant"),
    **dict.fromkeys(("function_call_output", "custom_tool_call_output"), "tool"),
}
"""Who writes the items of OpenAI's Responses that have no role."""


def role_of(message: Mapping[str, Any]) -> str | None:
    """Return who speaks in a message, under its usual name; None if it does not say so.

    A name that is not known is returned as it is, but under ``type``, which may say other things.
    """
    identity = message.get("id")
    if message.get("type") == "constructor" and isinstance(identity, list) and identity:
        return _ROLES.get(str(identity[-1]).lower())
    for field in _FIELDS:
        name = message.get(field)
        if isinstance(name, str) and (field != "type" or name.lower() in _ROLES):
            return _ROLES.get(name.lower(), name)
    return None


def body_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that holds what a message says: itself, or a field of it."""
    bodies = (message.get(key) for key in _BODIES)
    return next((body for body in bodies if isinstance(body, Mapping)), message)


def gathered(messages: Sequence[Any]) -> list[Any]:
    """Return messages, with the items of OpenAI's Responses that have no role made turns.

    Reasoning and calls of tools belong to the assistant's message that follows or precedes them.
    """
    turns: list[Any] = []
    open_turn: list[Any] | None = None  # parts of the assistant's turn that items have begun
    for message in messages:
        item = isinstance(message, Mapping) and role_of(message) is None
        author = _ITEMS.get(str(message.get("type"))) if item else None
        if author == "tool":
            turns.append({"role": "tool", "content": str(message.get("output", ""))})
            open_turn = None
        elif author is not None:
            if open_turn is None:
                open_turn = _last_parts(turns)
            open_turn.append(message)
        elif open_turn is not None and _is_item(message):
            content = message.get("content")
            open_turn += content if isinstance(content, list) else [content]
        else:
            turns.append(message)
            open_turn = None
    return turns


def _last_parts(turns: list[Any]) -> list[Any]:
    """The parts of the assistant's turn that goes on, or of a new one."""
    if turns and _is_item(turns[-1]):
        content = turns[-1].get("content")
        parts = [*content] if isinstance(content, list) else [content]
        turns[-1] = {**turns[-1], "content": parts}
        return parts
    parts = []
    turns.append({"role": "assistant", "content": parts})
    return parts


def _is_item(message: Any) -> bool:
    """Whether a message of the assistant may be one item of several: it says something."""
    if not isinstance(message, Mapping) or role_of(message) != "assistant":
        return False
    return isinstance(message.get("content"), str | list)
