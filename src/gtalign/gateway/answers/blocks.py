"""The blocks of a chat's answer, read from its JSON or from its chunks: reasoning, text, calls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gtalign.errors import EndedError

Kind = Literal["reasoning", "text", "refusal", "call"]
End = Literal["end", "length", "filter"]
"""Why an answer is over: the model ended it, its tokens are used up, or a filter cut it off."""

_ENDS: Final[Mapping[str, End]] = {
    **dict.fromkeys(("stop", "tool_calls", "function_call"), "end"),
    **dict.fromkeys(("eos", "eos_token", "end_turn", "stop_sequence", "complete"), "end"),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
    "content_filter": "filter",
}
"""The end of an answer, by the word of an engine. Any other word tells of a failure."""

_TEXTS: Final[Mapping[str, Kind]] = {
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",  # as newer vLLM has it
    "content": "text",
    "refusal": "refusal",
}

_KNOWN: Final = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "gtalign"),
        *("index", "delta", "message", "finish_reason", "logprobs", "stop_reason", "matched_stop"),
        *("role", "tool_calls", "function_call", *_TEXTS),
    }
)
"""What this module reads of an answer, of its choice and of its message, or other APIs lack."""


@dataclass(slots=True)
class Block:
    """One stretch of an answer.

    Args:
        kind: What it is.
        number: Its place in the answer, from 0.
        call_id: Id of a call of a tool.
        name: Name of that tool.
        slices: Its text, or the arguments of the call as JSON, in slices.
    """

    kind: Kind
    number: int
    call_id: str = ""
    name: str = ""
    slices: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of its text, or of the arguments of the call."""
        return "".join(self.slices)


class Blocks:
    """What was read of the answer to a chat, from its chunks or from all of it at once.

    Attributes:
        all: The blocks, in order; only the last one can grow.
        finish: Why the answer ended, as the chat says; None before.
        stop: The text that ended it, if the engine names one.
        usage: Its tokens, as the chat counts them; None while they are unknown.
        about: What the gateway says of the decision; None if it says nothing.
        more: What else the engine said, such as ``timings``.
        news: What of that the latest chunk said.
    """

    def __init__(self) -> None:
        self.all: list[Block] = []
        self.finish: str | None = None
        self.stop: str | None = None
        self.usage: Mapping[str, Any] | None = None
        self.about: Any = None
        self.more: dict[str, Any] = {}
        self.news: dict[str, Any] = {}
        self._calls: dict[int, Block] = {}

    def take(self, value: Any) -> Iterator[tuple[Block, str]]:
        """Take a chunk, or a whole answer, and yield each block that grows, with its new text.

        Raises:
            ValueError: It has another form.
        """
        choices = value.get("choices", 0) if isinstance(value, dict) else 0
        if choices is None:  # as some write an event that holds something else
            choices = []
        if not isinstance(choices, list):
            raise ValueError("no 'choices'")
        if isinstance(value.get("usage"), dict):
            self.usage = value["usage"]
        self.about = value.get("gtalign", self.about)
        self.news = _more(value)
        self.more |= self.news
        if not choices:
            return
        choice = choices[0]
        grown = choice.get("delta") or choice.get("message") or {}
        if not isinstance(grown, dict):
            raise ValueError("a message that is no object")
        self._add(_more(grown) | _more(choice))
        for name, kind in _TEXTS.items():
            text = grown.get(name)
            if text is not None and not isinstance(text, str):
                raise ValueError(f"{name!r} that is no text")
            if text:
                yield self._grown(self._last(kind), text)
        for number, call in enumerate(grown.get("tool_calls") or ()):
            yield self._grown(*self._call(number, call))
        finish = choice.get("finish_reason")
        if finish is not None:
            self.finish = str(finish)
        stop = choice.get("stop_reason", choice.get("matched_stop"))  # of vLLM, of SGLang
        self.stop = stop if isinstance(stop, str) else self.stop

    @property
    def end(self) -> End:
        """Why the answer is over.

        Raises:
            EndedError: It was broken off.
        """
        if not self.finish:  # as some engines have it in an answer that is there as a whole
            return "end"
        end = _ENDS.get(self.finish.lower())
        if end is None:
            broken = EndedError("the engine", f"ended its answer with {self.finish!r}")
            broken.finish = self.finish
            raise broken
        return end

    def _add(self, news: dict[str, Any]) -> None:
        """Take what a chunk says of its choice; lists, such as ``token_ids``, go on."""
        for name, value in news.items():
            before = self.more.get(name)
            joins = isinstance(before, list) and isinstance(value, list)
            self.more[name] = before + value if joins else value
        self.news = news | self.news

    @staticmethod
    def _grown(block: Block, text: str) -> tuple[Block, str]:
        block.slices.append(text)
        return block, text

    def _last(self, kind: Kind) -> Block:
        """The block that text of a kind belongs to."""
        if not self.all or self.all[-1].kind != kind:
            self.all.append(Block(kind, len(self.all)))
        return self.all[-1]

    def _call(self, number: int, call: Any) -> tuple[Block, str]:
        """The block of a call, and what its arguments gain.

        Raises:
            ValueError: It is no call, or no longer the last block.
        """
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise ValueError("a tool call without a function")
        index = call.get("index", number)
        block = self._calls.get(index)
        if block is None:
            id_ = call.get("id") or f"call_{len(self.all)}"
            block = Block("call", len(self.all), str(id_), str(function.get("name") or ""))
            self._calls[index] = block
            self.all.append(block)
        elif block is not self.all[-1]:
            raise ValueError("more of a tool call after the next one had begun")
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            raise ValueError("arguments of a tool call that are no text")
        return block, arguments


def _more(value: Mapping[str, Any]) -> dict[str, Any]:
    """What an object of an answer has beyond what is known here."""
    return {name: one for name, one in value.items() if name not in _KNOWN and one is not None}
