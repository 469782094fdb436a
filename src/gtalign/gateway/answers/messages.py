"""Read the messages of a chat, and find what makes the engine alone able to answer them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gtalign.gateway.answers.values import wrong
from gtalign.gateway.errors import Unsteerable
from gtalign.gateway.text import to_json
from gtalign.tasks import Message

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_MESSAGES: Final = 2048


def read_messages(value: Any) -> tuple[Message, ...]:
    """The messages of a chat whose last turn is the user's, or the result of a tool.

    Raises:
        APIError: They are none (400).
        Unsteerable: Steering cannot answer them; an engine may.
    """
    if not isinstance(value, list) or not value:
        raise wrong("messages", f"a list of 1 to {_MESSAGES} messages")
    if len(value) > _MESSAGES:
        raise _unsteerable("messages", "messages", f"a list of 1 to {_MESSAGES} messages")
    read = []
    for number, message in enumerate(value):
        param = f"messages.{number}"
        if not isinstance(message, dict):
            raise wrong(param, "an object with role and content")
        role, known = message.get("role"), ", ".join(_ROLES)
        if not isinstance(role, str):
            raise wrong(f"{param}.role", f"one of {known}")
        if role not in _ROLES:
            raise _unsteerable("role", f"{param}.role", f"one of {known}")
        turn = Message(role=_ROLES[role], content=_content(message, param))
        if role == "assistant" and message.get("tool_calls"):
            turn["tool_calls"] = _calls(message["tool_calls"], f"{param}.tool_calls")
        if role == "tool" and isinstance(message.get("tool_call_id"), str):
            turn["tool_call_id"] = message["tool_call_id"]
        read.append(turn)
    if read[-1]["role"] not in ("user", "tool"):
        param = f"messages.{len(read) - 1}.role"
        right = "user or tool: the last message is what is answered"
        raise _unsteerable("last message", param, right)
    return tuple(read)


def has_calls(messages: Sequence[Message]) -> bool:
    """Whether a conversation holds calls of tools, or what they returned."""
    return any("tool_calls" in message or message["role"] == "tool" for message in messages)


def reason_to_pass(messages: Any) -> str | None:
    """What a chat holds that a chain has no place for: functions of old, images, other media."""
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        role, content = message.get("role"), message.get("content")
        if role == "function" or message.get("function_call"):
            return "functions"
        if message.get("audio"):
            return "other media"
        for part in content if isinstance(content, list) else []:
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind not in ("text", "refusal"):
                return "images" if "image" in kind else "other media"
    return None


def _calls(value: Any, param: str) -> list[dict[str, Any]]:
    """The calls in a turn of the assistant, in the form that chat templates know."""
    if not isinstance(value, list):
        raise wrong(param, "a list of calls")
    return [_call(call, f"{param}.{number}") for number, call in enumerate(value)]


def _call(call: Any, param: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise _unsteerable("tools", param, "a call of a function")
    name, arguments = function.get("name"), function.get("arguments")
    if isinstance(arguments, dict):  # as some clients send it, and engines take it
        arguments = to_json(arguments).decode()
    found: dict[str, str] = {}
    for field, value in (("name", name), ("arguments", arguments)):
        if not isinstance(value, str):
            raise _unsteerable("tools", f"{param}.function.{field}", "a text")
        found[field] = value
    id_ = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**id_, "type": "function", "function": found}


def _content(message: Mapping[str, Any], param: str) -> str:
    """The text of a message; what the assistant did not say is empty."""
    value = message.get("content")
    if isinstance(value, str):
        return value
    if message["role"] == "tool" and value == []:
        return ""
    if not value and message["role"] == "assistant" and value in (None, []):
        refusal = message.get("refusal")
        return refusal if isinstance(refusal, str) else ""
    if value is None or value == []:
        raise _unsteerable("content", f"{param}.content", "a text, or a list of parts")
    if isinstance(value, list):
        texts = [_text(part) for part in value]
        if all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
    raise wrong(f"{param}.content", "a text, or a list of parts of type text")


def _text(part: Any) -> Any:
    if isinstance(part, dict):
        return part.get("refusal" if part.get("type") == "refusal" else "text")
    return part


def _unsteerable(why: str, param: str, right: str) -> Unsteerable:
    return Unsteerable(why, f"{param!r} has to be {right}", param=param)
