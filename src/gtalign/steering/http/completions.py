"""Messages continued in ``/v1/completions``: the whole prompt is ours, as tokens or as text."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from unicodedata import normalize

from gtalign.errors import OmittedError, SteeringError, UpstreamError
from gtalign.steering.http.pieces import EnginePiece, read_completion
from gtalign.steering.http.transport import Transport
from gtalign.tasks import Message

PATH = "/v1/completions"
_WORD: Final = re.compile("[A-Za-z0-9]+")
Render = Callable[[Sequence[Message]], str]
"""Writes a conversation as the model's chat template does, up to where its answer begins."""


class TextPrompt:
    """The conversation as rendered text, followed by the message so far.

    Args:
        transport: The connection to the engine.
        upstream: Name of the engine for messages.
        messages: The conversation.
        render: Renders it; None makes llama.cpp's server render (``/apply-template``).
        rendering: Further parameters for the chat template.

    Raises:
        SteeringError: There are parameters for a template, but `render` replaces the template.
    """

    path = PATH
    read = staticmethod(read_completion)

    def __init__(
        self,
        transport: Transport,
        upstream: str,
        messages: Sequence[Message],
        render: Render | None,
        rendering: Mapping[str, Any],
    ) -> None:
        if render is not None and rendering:
            raise SteeringError(f"{', '.join(rendering)}: the caller's own render decides that")
        self._transport = transport
        self._upstream = upstream
        self._messages = messages
        self._render = render
        self._rendering = rendering
        self._conversation: str | None = None

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine continue after `text`."""
        if self._conversation is None:
            self._conversation = await self._rendered()
        # The template wrote what begins a text (as vLLM's name for it has it: special tokens).
        return {"prompt": self._conversation + text, "add_special_tokens": False}

    def grew(self, piece: EnginePiece) -> None:
        """Take note of what the engine wrote: nothing beyond its text is needed."""

    async def _rendered(self) -> str:
        if self._render is not None:
            rendered = self._render(self._messages)
            if not isinstance(rendered, str):
                raise SteeringError(f"render returned {type(rendered).__name__}, not text")
            _check_calls(self._messages, rendered, self._upstream)
            return rendered
        answer = await self._transport.ask(
            "/apply-template",
            {"messages": list(self._messages), **self._rendering},
            upstream=self._upstream,
        )
        prompt = answer.get("prompt") if isinstance(answer, dict) else None
        if not isinstance(prompt, str):
            raise UpstreamError(self._upstream, "POST /apply-template answered without 'prompt'")
        _check_calls(self._messages, prompt, self._upstream)
        return prompt


class TokenPrompt:
    """The conversation and the message as tokens (vLLM); written text keeps the model's own tokens.

    After a rewrite, the tokens stay up to the last one that lies wholly before the change. Only the
    text after it is tokenised again, and the result is compared with the whole text.

    Args:
        transport: The connection to the engine.
        upstream: Name of the engine for messages.
        model: Name of the model whose tokens they are.
        messages: The conversation.
        rendering: Further parameters for the chat template.
    """

    path = PATH

    def __init__(
        self,
        transport: Transport,
        upstream: str,
        model: str,
        messages: Sequence[Message],
        rendering: Mapping[str, Any],
    ) -> None:
        self._transport = transport
        self._upstream = upstream
        self._model = model
        self._messages = messages
        self._rendering = rendering
        self._conversation: list[int] | None = None
        self._ledger = Ledger()

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine continue after `text`."""
        if self._conversation is None:
            self._conversation = await self._tokens(
                messages=list(self._messages), add_generation_prompt=True, **self._rendering
            )
            if _marks(self._messages):
                shown = await self._decoded(self._conversation)
                _check_calls(self._messages, shown, self._upstream)
        self._ledger.keep(text)
        rest = text[len(self._ledger.text) :]
        if rest:
            await self._splice(rest, text)
        return {
            "prompt": self._conversation + self._ledger.ids,
            "return_token_ids": True,
            "add_special_tokens": False,
        }

    def read(self, value: Any) -> EnginePiece:
        """Read an event.

        Raises:
            ValueError: It has another shape, or text without tokens.
        """
        piece = read_completion(value)
        if piece.text and not (piece.ids or self._ledger.open):
            raise ValueError("text without 'token_ids' (vLLM has return_token_ids since 0.10.2)")
        return piece

    def grew(self, piece: EnginePiece) -> None:
        """Take note of the tokens that the engine wrote."""
        if piece.finish == "stop":
            return  # the last token ends the turn, and must not stand before a continuation
        self._ledger.add(piece.text, piece.ids)

    async def _splice(self, rest: str, text: str) -> None:
        """Tokenise the end of the message; all of it, where its parts do not fit."""
        self._ledger.add(rest, await self._tokens(prompt=rest, add_special_tokens=False))
        if not await self._fits(text):
            self._ledger = Ledger()
            self._ledger.add(text, await self._tokens(prompt=text, add_special_tokens=False))
            if not await self._fits(text):
                raise UpstreamError(
                    self._upstream,
                    "its tokenizer changes a text on the way to tokens and back, so messages"
                    " cannot continue as tokens; use another method, such as 'continue-final'",
                )

    async def _tokens(self, **request: Any) -> list[int]:
        answer = await self._ask("/tokenize", request)
        ids = answer.get("tokens")
        if not isinstance(ids, list) or not ids or not all(type(i) is int for i in ids):
            raise UpstreamError(self._upstream, "POST /tokenize answered without a list 'tokens'")
        return ids

    async def _fits(self, text: str) -> bool:
        """Whether the tokens spell this text, except for characters that a tokenizer composes."""
        return normalize("NFC", await self._decoded(self._ledger.ids)) == normalize("NFC", text)

    async def _decoded(self, ids: list[int]) -> str:
        answer = await self._ask("/detokenize", {"tokens": ids})
        decoded = answer.get("prompt")
        if not isinstance(decoded, str):
            raise UpstreamError(self._upstream, "POST /detokenize answered without 'prompt'")
        return decoded

    async def _ask(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        body = {"model": self._model, **request}
        answer = await self._transport.ask(path, body, upstream=self._upstream)
        return answer if isinstance(answer, dict) else {}


def _check_calls(messages: Sequence[Message], prompt: str, upstream: str) -> None:
    """Check that a prompt holds the last call of a tool in its conversation, and the last result.

    Raises:
        OmittedError: It does not.
    """
    said = [message["content"] for message in messages]
    said += (call["function"]["name"] for turn in messages for call in turn.get("tool_calls", ()))
    for mark in _marks(messages):
        if prompt.count(mark) < sum(text.count(mark) for text in said):
            raise OmittedError(upstream, "the chat template leaves out calls of tools or results")


def _marks(messages: Sequence[Message]) -> list[str]:
    """The name of the last call, and the longest word of the last result; none without a call.

    A template may write a result as JSON, which escapes all but ASCII.
    """
    names = [c["function"]["name"] for message in messages for c in message.get("tool_calls", ())]
    results = [message["content"] for message in messages if message["role"] == "tool"]
    words = [max(_WORD.findall(result), key=len, default="") for result in results[-1:]]
    return [mark for mark in (*names[-1:], *words) if mark]


class Ledger:
    """The tokens of a text, and the places at which both can be cut.

    Attributes:
        ids: The tokens, without those whose text has not come yet.
        text: Their text.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.text = ""
        self._pending: list[int] = []  # tokens that end inside a character, or show nothing
        self._ends = [0]  # where text can be cut: ascending, ...
        self._counts = [0]  # ... and how many tokens stand before it

    @property
    def open(self) -> bool:
        """Whether there are tokens whose text has not come yet."""
        return bool(self._pending)

    def add(self, text: str, ids: Sequence[int]) -> None:
        """Add tokens, and the text of these and of earlier tokens still without text."""
        self._pending += ids
        if text:
            self.ids += self._pending
            self.text += text
            self._pending = []
            self._ends.append(len(self.text))
            self._counts.append(len(self.ids))

    def keep(self, text: str) -> None:
        """Keep the tokens that lie wholly within the beginning shared with `text`."""
        pairs = zip(self.text, text, strict=False)
        same = next((at for at, (own, new) in enumerate(pairs) if own != new), len(text))
        cuts = bisect_right(self._ends, same)
        del self._ends[cuts:], self._counts[cuts:]
        self.text = self.text[: self._ends[-1]]
        del self.ids[self._counts[-1] :]
        self._pending = []
