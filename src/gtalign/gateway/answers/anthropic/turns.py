"""The turns of a conversation in Anthropic's form, as messages of a chat."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gtalign.gateway.answers.translation import Untranslatable
from gtalign.gateway.answers.values import wrong
from gtalign.gateway.text import to_json

_ROLES: Final = ("user", "assistant", "system")
_THOUGHTS: Final = ("thinking", "redacted_thinking")
_GAP: Final = "\n\n"  # between two blocks of text, which stand apart


def read_turns(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the messages of a chat, each with the field of the request that it comes from.

    Turns of one role that follow each other are one turn.

    Raises:
        APIError: They are wrong (400).
        Untranslatable: A chat has no such block.
    """
    if not isinstance(value, list) or not value:
        raise wrong("messages", "a list of one message or more")
    open_: tuple[str, str, list[tuple[str, Any]]] | None = None  # role, origin, blocks
    for number, message in enumerate(value):
        param = f"messages.{number}"
        if not isinstance(message, dict):
            raise wrong(param, "an object with role and content")
        role = message.get("role")
        if role not in _ROLES:
            raise wrong(f"{param}.role", f"one of {', '.join(_ROLES)}")
        blocks = list(_blocks(message.get("content"), f"{param}.content"))
        if open_ is not None and open_[0] == role:
            open_[2].extend(blocks)
            continue
        if open_ is not None:
            yield from _turn(*open_)
        open_ = role, param, blocks
    if open_ is not None:
        yield from _turn(*open_)


def read_system(value: Any) -> str:
    """The instructions of a conversation; empty if there are none.

    Raises:
        APIError: They are neither a text nor blocks of text (400).
    """
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise wrong("system", "a text, or a list of blocks of text")
    for number, block in enumerate(value):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise wrong(f"system.{number}", "a block of type text")
    return _GAP.join(_text(block, "text", f"system.{n}") for n, block in enumerate(value))


def _blocks(content: Any, param: str) -> Iterator[tuple[str, Any]]:
    """The blocks of a content, each with the field that it is."""
    if isinstance(content, str):
        yield param, {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise wrong(param, "a text, or a list of blocks")
    for number, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise wrong(f"{param}.{number}", "an object with a type")
        yield f"{param}.{number}", block


def _turn(
    role: str, origin: str, blocks: list[tuple[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if role == "assistant":
        yield origin, _answer(blocks)
        return
    parts: list[dict[str, Any]] = []
    for param, block in blocks:
        if block["type"] != "tool_result":
            parts += _parts(block, param)
            continue
        if parts:  # what stands before the result of a tool
            yield origin, {"role": role, "content": _joined(parts)}
            parts = []
        result = block.get("content")
        inner = [] if result is None else list(_blocks(result, f"{param}.content"))
        content = _joined([part for where, one in inner for part in _parts(one, where)])
        id_ = _text(block, "tool_use_id", param)
        yield origin, {"role": "tool", "tool_call_id": id_, "content": content}
    if parts or not blocks:
        yield origin, {"role": role, "content": _joined(parts)}


def _answer(blocks: list[tuple[str, Any]]) -> dict[str, Any]:
    """A turn of the assistant; what it thought is left out, because no model reads it again."""
    texts, calls = [], []
    for param, block in blocks:
        kind = block["type"]
        if kind == "text":
            texts.append(_text(block, "text", param))
        elif kind == "tool_use":
            if not isinstance(block.get("input"), dict):
                raise wrong(f"{param}.input", "an object")
            arguments = to_json(block["input"]).decode()
            function = {"name": _text(block, "name", param), "arguments": arguments}
            id_ = _text(block, "id", param)
            calls.append({"id": id_, "type": "function", "function": function})
        elif kind not in _THOUGHTS:
            raise _unknown(block, param)
    message: dict[str, Any] = {"role": "assistant", "content": _GAP.join(texts)}
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    return message


def _parts(block: Mapping[str, Any], param: str) -> list[dict[str, Any]]:
    """The parts of a chat's message that a block of the user becomes."""
    kind = block["type"]
    if kind == "text":
        return [{"type": "text", "text": _text(block, "text", param)}]
    if kind == "image":
        return [{"type": "image_url", "image_url": {"url": _image(block, param)}}]
    if kind == "document":
        return _document(block, param)
    raise _unknown(block, param)


def _image(block: Mapping[str, Any], param: str) -> str:
    source, where = _source(block, param)
    if source["type"] == "url":
        return _text(source, "url", where)
    if source["type"] == "base64":
        media = _text(source, "media_type", where)
        return f"data:{media};base64,{_text(source, 'data', where)}"
    raise Untranslatable(where, "the gateway keeps no files; send the image itself")


def _document(block: Mapping[str, Any], param: str) -> list[dict[str, Any]]:
    source, where = _source(block, param)
    if source["type"] == "text":
        return [{"type": "text", "text": _text(source, "data", where)}]
    if source["type"] == "content":
        inner = _blocks(source.get("content"), f"{where}.content")
        return [part for at, one in inner for part in _parts(one, at)]
    raise Untranslatable(where, "a chat has no documents but those of plain text")


def _source(block: Mapping[str, Any], param: str) -> tuple[Mapping[str, Any], str]:
    source, where = block.get("source"), f"{param}.source"
    if not isinstance(source, dict) or not isinstance(source.get("type"), str):
        raise wrong(where, "an object with a type")
    return source, where


def _joined(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The content of a message: a text where it is nothing but text."""
    if all(part["type"] == "text" for part in parts):
        return _GAP.join(part["text"] for part in parts)
    return parts


def _text(block: Mapping[str, Any], name: str, param: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise wrong(f"{param}.{name}", "a text")
    return value


def _unknown(block: Mapping[str, Any], param: str) -> Untranslatable:
    why = f"a chat has no block of type {block['type'][:40]!r} there"
    return Untranslatable(f"{param}.type", why)
