"""Cut the response out of an answer that a model that writes chains gives by itself.

Such a model thinks before it answers, whatever it is asked, in chats and in plain completions. Its
matrix is not edited here, and the client is shown no more of its chain than in a steered answer.
Where a request begins the answer itself, the text of the answer may begin inside a block.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson

from gtalign.chain import ChainBroken, StreamParser
from gtalign.chain.blocks import TAG, TAGS
from gtalign.game import USER_LLM, GameForm
from gtalign.gateway.answers.view import ChainView, Piece
from gtalign.gateway.answers.wire import DONE, event
from gtalign.gateway.explanations import reported
from gtalign.gateway.http.reply import EVENTS
from gtalign.gateway.settings import Show
from gtalign.gateway.text import to_json
from gtalign.steering import SteeringSettings
from gtalign.steering.http.sse import Event, EventReader
from gtalign.steering.stop_strings import CLOSES, loose_response

_LARGEST: Final = 64 << 20  # bytes of an answer, or of one event
_ANY_HEAD: Final = 32 + zlib.MAX_WBITS  # of gzip or of zlib
_TAGS: Final = ("<thinking>", "<payoff>", "<analyze>", "<response>")
_OPENS: Final = re.compile("|".join(_TAGS))
_TRACES: Final = re.compile(rb"thinking|payoff|analyze|response>")
_PERHAPS: Final = re.compile(rb"<|\\u00")  # what holds neither holds no tag, escaped or not
_ENDS: Final = ("</thinking>", "</payoff>", "</analyze>")
_OF_TOKENS: Final = ("logprobs", "token_ids")  # what else of a choice spells out its text
_BESIDE: Final = "__verbose"  # where llama.cpp repeats the text of an answer
_BY_ITSELF: Final = (None, "stop", "tool_calls", "function_call")  # else it was broken off


class Begun:
    """What a request has written of its answers itself.

    Args:
        body: The request: a chat, or a plain completion.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._texts: Sequence[Any] = ("",)
        self._each = 1  # answers to a prompt
        messages, prompt = body.get("messages"), body.get("prompt")
        if prompt is not None and not body.get("echo"):  # which repeats the prompt in the answer
            self._texts = prompt if isinstance(prompt, list) else (prompt,)
            self._each = body["n"] if type(body.get("n")) is int and body["n"] > 0 else 1
        last = messages[-1] if isinstance(messages, list) and messages else None
        if isinstance(last, dict) and last.get("role") == "assistant":
            self._texts = (last.get("content") or "",)

    @property
    def anything(self) -> bool:
        """Whether there is any."""
        return any(text != "" for text in self._texts)

    def chain(self, index: int) -> str | None:
        """The chain that an answer continues; empty if it begins one, None if nobody can tell."""
        number = index // self._each
        text = self._texts[number] if 0 <= number < len(self._texts) else ""
        if not isinstance(text, str):
            return None  # tokens
        tags = list(TAG.finditer(text))
        if not tags or tags[-1][0] == CLOSES:
            return text[len(text) - _piece(text, _TAGS) :]
        first = text.rfind(_TAGS[0])
        return text[first if first >= 0 else tags[-1].start() :]


class ChainCutter:
    """Turns the bytes of an answer into those that a client may see.

    Args:
        kind: Media type of the answer.
        packed: Whether it is compressed; what comes out is not.
        show: What the client sees of a chain.
        settings: Name the least and the greatest payoff.
        form: The game of the chains.
        request: The request, which may have begun the answers itself.
    """

    def __init__(
        self,
        kind: str,
        *,
        packed: bool,
        show: Show,
        settings: SteeringSettings,
        form: GameForm = USER_LLM,
        request: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._reader = EventReader(_LARGEST) if kind == EVENTS else None
        self._unpack = zlib.decompressobj(_ANY_HEAD).decompress if packed else None
        self._body = bytearray()
        self._show = show
        self._settings = settings
        self._form = form
        self._begun = Begun(request)
        self._alone = request.get("n") in (None, 1)
        self._stops = bool(request.get("stop"))  # which may end an answer inside a tag
        self._choices: dict[int, _Choice] = {}

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes, and return what they make visible.

        Raises:
            ValueError: They are no answer to a chat.
        """
        if self._unpack is not None:
            try:
                chunk = self._unpack(chunk, _LARGEST)
            except zlib.error as error:
                raise ValueError(f"what cannot be unpacked: {error}") from None
        if self._reader is not None:
            if self._reader.between and chunk.endswith(b"\n\n") and self._through(chunk):
                return chunk
            return b"".join(map(self._event, self._reader.feed(chunk)))
        self._body += chunk
        if len(self._body) > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes")
        return b""

    def close(self) -> bytes:
        """Return what is left at the end of the answer.

        Raises:
            ValueError: It is no answer to a chat.
        """
        if self._reader is not None:
            return b"".join(map(self._event, self._reader.close()))
        raw = bytes(self._body)
        if not self._begun.anything and not _PERHAPS.search(raw):
            return raw
        try:
            body = _read(raw)
            self._cut(body, "message", whole=True)
            self._drop_copies(body)
        except ValueError:
            if _TRACES.search(raw):
                raise
            return raw  # the engine has broken off or mistaken itself, but shows no chain
        return to_json(body) if any(one.cut for one in self._choices.values()) else raw

    def _through(self, events: bytes) -> bool:
        """Whether events are shown as they are: all of their answers have begun without a chain.

        Looking into each event of a long answer takes more time than everything else together.
        """
        choices = self._choices.values()
        known = self._alone and choices and all(one.through for one in choices)
        return bool(known) and not _PERHAPS.search(events)

    def _event(self, one: Event) -> bytes:
        if one.data.strip() == b"[DONE]":
            return DONE
        if one.name == "error":
            return event({"error": reported(one.data)})
        body = _read(one.data)
        told = self._cut(body, "delta", whole=False)
        self._drop_copies(body)
        return event(body) if told else b""

    def _cut(self, body: dict[str, Any], part: str, *, whole: bool) -> bool:
        """Replace the texts of an answer or an event; returns whether it still says anything."""
        choices = body.get("choices")
        if not isinstance(choices, list) or not choices:
            return True
        told = bool(body.get("usage"))
        for choice in choices:
            if not isinstance(choice, dict):
                raise ValueError("a choice that is none")
            plain = isinstance(choice.get("text"), str)  # a plain completion
            message = choice if plain else choice.get(part)
            if not isinstance(message, dict):
                message = choice[part] = {}
            content = "text" if plain else "content"
            cut = self._choice(choice.get("index"))
            text, finish = message.get(content), choice.get("finish_reason")
            ends = whole or finish is not None
            pieces = cut.feed(text) if isinstance(text, str) else []
            if ends:
                stopped = self._stops and finish == "stop"
                pieces += cut.end(broken=stopped or finish not in _BY_ITSELF)
            if isinstance(text, str) or pieces:
                message[content] = ""
            for piece in pieces:
                name = content if piece.kind == "content" else "reasoning_content"
                message[name] = (message.get(name) or "") + piece.text
            if not cut.plain:
                for name in _OF_TOKENS:
                    if choice.get(name) is not None:
                        choice[name] = None
            told = told or ends or bool(pieces) or bool(set(message) - {"content"} and not plain)
        return told

    def _drop_copies(self, body: dict[str, Any]) -> None:
        """Leave out what else holds the text of an answer with a chain."""
        if not all(one.plain for one in self._choices.values()):
            body.pop(_BESIDE, None)

    def _choice(self, index: Any) -> "_Choice":
        number = index if type(index) is int else 0
        if number not in self._choices:
            begun = self._begun.chain(number)
            self._choices[number] = _Choice(self._show, self._settings, self._form, begun)
        return self._choices[number]


class _Choice:
    """The text of one choice: plain until a tag of a chain begins, and held until that is known.

    Args:
        show: What the client sees of a chain.
        settings: Name the least and the greatest payoff.
        form: The game of the chain.
        begun: The chain that the text continues; None if nobody can tell whether it does.
    """

    def __init__(
        self, show: Show, settings: SteeringSettings, form: GameForm, begun: str | None
    ) -> None:
        self._view = ChainView(show, live=True)
        self._parser = StreamParser(form, **settings.chain)
        self._held = ""
        self._begun = False  # whether plain text was handed on
        self._chain: str | None = None  # from its first tag on
        self._shown = ""  # of its response
        self._broken = False
        self._unsure = begun is None  # then all is held until a tag tells, or the end
        self._given = 0  # characters of what is held that the request has written
        self._dropped = False  # a piece of a tag
        if begun:
            self.feed(begun)
            self._given = len(self._held)
            if self._broken:
                self._shown = loose_response(self._chain or "") or ""

    @property
    def cut(self) -> bool:
        """Whether the text holds a chain, or a piece of its first tag, which was cut."""
        return self._chain is not None or self._dropped

    @property
    def plain(self) -> bool:
        """Whether the text so far holds nothing of a chain."""
        return not self.cut and not self._held

    @property
    def through(self) -> bool:
        """Whether text without a tag is shown as it is."""
        return self.plain and self._begun and not self._unsure

    def feed(self, text: str) -> list[Piece]:
        if self._chain is not None:
            return list(self._of_chain(text))
        self._held += text
        found = (TAG if self._unsure else _OPENS).search(self._held)
        if found is not None:
            before, rest = self._new(self._held[: found.start()]), self._held[found.start() :]
            self._held, self._chain = "", ""
            if found[0] in _ENDS:  # what comes before it was inside a block
                before = ""
            keeps = self._begun or before.strip()
            return [*_said(before if keeps else ""), *self._of_chain(rest)]
        if self._unsure:
            return []
        cut = len(self._held) - _piece(self._held, _TAGS)
        if not (self._begun or self._held[:cut].strip()):
            cut = 0  # whitespace before a chain belongs to it
        self._begun = self._begun or cut > 0
        before, self._held = self._held[:cut], self._held[cut:]
        return _said(self._new(before))

    def end(self, *, broken: bool) -> list[Piece]:
        """What is left: a text that was no tag after all, or a response that stands loosely.

        Args:
            broken: Whether the text was broken off. What may begin a tag then is shown to nobody.
        """
        held, self._held = self._held, ""
        if self._chain is None:
            piece = _piece(held, TAGS if self._unsure else _TAGS) if broken else 0
            self._dropped = piece > 0
            before, tag = held[: len(held) - piece], held[len(held) - piece :]
            if piece and (_inside_block(tag) or not (self._begun or before.strip())):
                before = ""
            return _said(self._new(before))
        response = loose_response(self._chain) or ""
        if response.startswith(self._shown):
            return _said(response[len(self._shown) :])
        return []

    def _new(self, text: str) -> str:
        """The part of a text that the request has not written; it leaves what is held."""
        given = self._given
        self._given = max(0, given - len(text))
        return text[given:]

    def _of_chain(self, text: str) -> Iterator[Piece]:
        assert self._chain is not None
        self._chain += text
        if self._broken:
            return
        for one in self._parser.feed(text):
            self._broken = self._broken or isinstance(one, ChainBroken)
            for piece in self._view.feed(one):
                if piece.kind == "content":
                    self._shown += piece.text
                yield piece


def _said(text: str) -> list[Piece]:
    return [Piece("content", text)] if text else []


def _piece(text: str, tags: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of one of some tags."""
    at = text.rfind("<")
    tail = text[at:] if at >= 0 else ""
    return len(tail) if tail and any(tag.startswith(tail) for tag in tags) else 0


def _inside_block(piece: str) -> bool:
    """Whether a piece of a tag can only end a block that no client sees."""
    return len(piece) > len("</") and any(tag.startswith(piece) for tag in _ENDS)


def _read(data: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"what is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ValueError("JSON that is no object")
    return body
