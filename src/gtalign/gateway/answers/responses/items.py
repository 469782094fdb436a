"""The input of a response: its items as messages of a chat."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gtalign.gateway.answers.translation import Untranslatable
from gtalign.gateway.answers.values import wrong

_ROLES: Final = ("user", "assistant", "system", "developer")
_TEXTS: Final = ("input_text", "output_text", "text")
_KEPT: Final = "the gateway keeps no responses; send the items themselves, and store: false"


def read_input(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the messages of a chat, each with the field of the request that it comes from.

    Raises:
        APIError: The input is wrong (400).
        Untranslatable: A chat has no such item.
    """
    if isinstance(value, str):
        yield "input", {"role": "user", "content": value}
        return
    if not isinstance(value, list) or not value:
        raise wrong("input", "a text, or a list of one item or more")
    begun: tuple[str, dict[str, Any]] | None = None  # of the assistant, to which calls are added
    for number, item in enumerate(value):
        param = f"input.{number}"
        if not isinstance(item, dict):
            raise wrong(param, "an object")
        kind = item.get("type", "message" if "role" in item else None)
        if kind == "reasoning":
            continue  # no model reads what it thought before its last answer
        if kind == "function_call":
            begun = begun or (param, {"role": "assistant", "content": None})
            begun[1].setdefault("tool_calls", []).append(_call(item, param))
            continue
        if begun is not None:
            yield begun
            begun = None
        if kind == "function_call_output":
            output = _content(item.get("output"), f"{param}.output")
            call_id = _text(item, "call_id", param)
            yield param, {"role": "tool", "tool_call_id": call_id, "content": output}
        elif kind == "message":
            message = _message(item, param)
            if message["role"] == "assistant":
                begun = param, message
            else:
                yield param, message
        elif kind == "item_reference":
            raise Untranslatable(param, _KEPT)
        elif isinstance(kind, str):
            raise Untranslatable(f"{param}.type", f"a chat has no items of type {kind[:40]!r}")
        else:
            raise wrong(f"{param}.type", "the type of an item, such as 'message'")
    if begun is not None:
        yield begun


def _message(item: Mapping[str, Any], param: str) -> dict[str, Any]:
    role = item.get("role")
    if role not in _ROLES:
        raise wrong(f"{param}.role", f"one of {', '.join(_ROLES)}")
    return {"role": role, "content": _content(item.get("content"), f"{param}.content")}


def _call(item: Mapping[str, Any], param: str) -> dict[str, Any]:
    arguments = item.get("arguments")
    if not isinstance(arguments, dict):  # as some clients send it; a chat may have it too
        arguments = _text(item, "arguments", param)
    function = {"name": _text(item, "name", param), "arguments": arguments}
    return {"id": _text(item, "call_id", param), "type": "function", "function": function}


def _text(item: Mapping[str, Any], name: str, param: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise wrong(f"{param}.{name}", "a text")
    return value


def _content(value: Any, param: str) -> str | list[dict[str, Any]]:
    """The content of a message: a text where it is nothing but text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong(param, "a text, or a list of parts")
    parts = [_part(part, f"{param}.{number}") for number, part in enumerate(value)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: Any, param: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise wrong(param, "an object with a type")
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": "text", "text": _text(part, "text", param)}
    if kind == "refusal":
        return {"type": "text", "text": _text(part, "refusal", param)}
    if kind == "input_image":
        return {"type": "image_url", "image_url": _image(part, param)}
    if kind == "input_file":
        named = {name: part[name] for name in ("filename", "file_data") if part.get(name)}
        if "file_data" not in named:
            raise Untranslatable(param, "the gateway keeps and fetches no files; send file_data")
        return {"type": "file", "file": named}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    known = (*_TEXTS, "refusal", "input_image", "input_file", "input_audio")
    raise wrong(f"{param}.type", f"one of {', '.join(known)}")


def _image(part: Mapping[str, Any], param: str) -> dict[str, Any]:
    url = part.get("image_url")
    if url is None and part.get("file_id") is not None:
        raise Untranslatable(param, "the gateway keeps no files; send image_url")
    if not isinstance(url, str):
        raise wrong(f"{param}.image_url", "the address of an image, or its data as one")
    detail = part.get("detail")
    return {"url": url} if detail is None else {"url": url, "detail": detail}
