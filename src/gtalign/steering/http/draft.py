"""A message that an engine writes over HTTP: one request a write, cut where it has to end.

No request contains the stop string. Some engines drop it from their text; the reader then cannot
know whether they met it or ended their turn. Other engines keep it, but cut off the rest of the
token that completes it, which mostly has further characters (``><``): a message that continues
after the bare string consists of tokens that the model never saw, and small models end their turn
there. So this module cuts the answer and closes the connection, which wastes the tokens under way.
The next write then continues from the model's own token.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

from gtalign.errors import EndedError, SteeringError, UpstreamError
from gtalign.steering.backend import Finish, Sampling, WriteReport
from gtalign.steering.http.engines import Engine
from gtalign.steering.http.pieces import EnginePiece, TokenCounts
from gtalign.steering.http.transport import Transport

LONGEST_TOKEN: Final = 1024
"""Characters of one token at most: what exceeds it is an engine that ignores ``max_tokens``."""

_FINISHES: Final = {
    **dict.fromkeys(("eos", "eos_token", "end_turn", "stop_sequence"), "stop"),
    "max_tokens": "length",
}
"""What other dialects call the two ends of an answer."""

_TRAILERS: Final = 8  # events that may follow the end of the text
_JOINED: Final = re.compile(r"\W*")  # what a token may hold behind a tag; words are thoughts


class EnginePrompt(Protocol):
    """The text that the engine is to continue, in the form that it takes."""

    @property
    def path(self) -> str:
        """The path to post it to."""
        ...

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine continue after `text`."""
        ...

    def read(self, value: Any) -> EnginePiece:
        """Read an event of the answer; raises ValueError if it has another shape."""
        ...

    def grew(self, piece: EnginePiece) -> None:
        """Take note of what the engine wrote."""
        ...


class HTTPDraft:
    """One assistant message that an engine writes; see `gtalign.steering.Draft`.

    Args:
        transport: The connection to the engine.
        upstream: Name of the engine for messages.
        engine: Its kind.
        prompt: The text that it continues.
        common: The fields of a request that say how tokens are drawn.
        sampling: How tokens are drawn unless a write says otherwise.
        refusal: Why the message cannot be rewritten; None if it can.
    """

    def __init__(
        self,
        transport: Transport,
        upstream: str,
        engine: Engine,
        prompt: EnginePrompt,
        common: Callable[[Sampling], Mapping[str, Any]],
        sampling: Sampling,
        refusal: str | None = None,
    ) -> None:
        self._transport = transport
        self._upstream = upstream
        self._engine = engine
        self._prompt = prompt
        self._common = common
        self._sampling = sampling
        self._refusal = refusal
        self._text = ""
        self._report: WriteReport | None = None
        self._writing = False
        self._joined = ("", "")  # a stop string, and what the model wrote behind it in one token

    @property
    def text(self) -> str:
        """The whole message so far."""
        return self._text

    @property
    def report(self) -> WriteReport | None:
        """The report of the last write; None before one has ended.

        Where the engine does not report how many tokens it wrote, each event with text counts as
        one.
        """
        return self._report

    def rewrite(self, text: str) -> None:
        """Replace the whole message; the next write continues from exactly there.

        Raises:
            SteeringError: The backend cannot do so, or a write is under way.
        """
        if self._refusal is not None:
            raise SteeringError(
                f"{self._upstream} cannot continue an edited message: {self._refusal}"
            )
        if self._writing:
            raise SteeringError(
                "a message cannot be rewritten while it is written: close the write"
            )
        self._text = text

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue the message, and yield the new text in slices as they come.

        If the message still ends with the stop string of the write before, and there is no grammar,
        the new text begins with the rest of the model's token after that string.

        Args:
            max_tokens: Most tokens to write, at least 1.
            stop: The write ends once the new text contains it; nothing after it is kept.
            grammar: Grammar of the new text, in the language of the engine.
            sampling: Sampling of this write alone; by default that of the draft.

        Raises:
            UpstreamError: The engine failed; what it wrote before is in `text`.
            SteeringError: An argument is wrong, or another write is under way.
        """
        if max_tokens < 1:
            raise SteeringError(f"max_tokens is {max_tokens}; a write needs at least 1")
        if stop == "":
            raise SteeringError("an empty stop string would end every write at once; pass None")
        if self._writing:
            raise SteeringError("a message is written once at a time: close the other write first")
        holding = self._engine.holding(grammar)
        common = self._common(sampling or self._sampling)
        self._writing = True
        tally = _Tally(max_tokens, stop)
        try:
            (met, joined), self._joined = self._joined, ("", "")
            if joined and grammar is None and self._text.endswith(met):
                new = tally.begin(joined)
                self._text += new
                yield new
            if tally.over:  # nothing more is wanted
                self._report = tally.report(self._upstream)
                return
            body = {
                **common,
                **await self._prompt.fields(self._text),
                "max_tokens": max_tokens,
                "stream": True,
                **self._engine.counts,
                **holding,
            }
            events = self._transport.events(self._prompt.path, body, upstream=self._upstream)
            async with aclosing(events):
                async for values in events:
                    new, wrong = self._read(values, tally)
                    if new:
                        self._text += new
                        yield new
                    if wrong is not None:
                        raise wrong
                    if tally.over:
                        break
            self._report = tally.report(self._upstream)
            self._joined = (stop or "", tally.joined)
        except (GeneratorExit, asyncio.CancelledError):  # its reader has enough, or left
            self._report = tally.counted("closed")
            raise
        except UpstreamError:
            if tally.begun:  # what was written before it took its time all the same
                self._report = tally.counted("broken")
            raise
        finally:
            self._writing = False

    def _read(self, values: Iterable[Any], tally: "_Tally") -> tuple[str, UpstreamError | None]:
        """The text that some events add, and the error of the event after them, if it has one."""
        new = ""
        for value in values:
            try:
                piece = self._prompt.read(value)
                new += tally.add(piece)
            except ValueError as error:
                seen = f"sent what cannot be, after {tally.seen}: {error}"
                return new, UpstreamError(self._upstream, seen)
            self._prompt.grew(piece)
            if piece.fingerprint is not None:
                self._transport.fingerprint = piece.fingerprint
            if tally.over:
                break
        return new, None


class _Tally:
    """The state of one answer: how much of it is read, and where its text ends.

    Attributes:
        joined: The text after the stop string in the same piece, up to a word.
    """

    def __init__(self, max_tokens: int, stop: str | None) -> None:
        self.joined = ""
        self._max_tokens = max_tokens
        self._stop = stop
        self._tail = ""  # the end of the new text, too short for the stop string
        self._characters = 0
        self._events = 0  # with text
        self._ids = 0
        self._usage = TokenCounts()
        self._finish: str | None = None  # as the engine says
        self._cut = False  # the stop string was found
        self._trailers = 0  # events behind the end of the text

    @property
    def seen(self) -> str:
        """How far the answer had come, for messages."""
        return f"{self._characters} characters in {self._events} events"

    @property
    def begun(self) -> bool:
        """Whether the engine has written anything, or says so."""
        return bool(self._events or self._ids or self._usage.tokens)

    @property
    def over(self) -> bool:
        """Whether nothing that matters can follow: the connection need not be read on."""
        return self._cut or self._trailers > _TRAILERS

    def begin(self, joined: str) -> str:
        """Take text that the model wrote before; return the text that it adds."""
        return self._up_to_stop(joined)

    def add(self, piece: EnginePiece) -> str:
        """Take the next event and return the text that it adds.

        Raises:
            ValueError: It cannot come after the events before it.
        """
        if self._finish is not None:
            self._trailers += 1
            if piece.text:
                raise ValueError("text after its 'finish_reason'")
        if piece.usage is not None:
            self._usage = piece.usage
        if piece.finish is not None:
            self._finish = self._finish or _FINISHES.get(piece.finish, piece.finish)
        self._ids += len(piece.ids)
        self._characters += len(piece.text)
        self._events += bool(piece.text)
        most = self._max_tokens
        if self._ids > most or self._characters > most * LONGEST_TOKEN:
            raise ValueError(f"it ignores max_tokens, which is {most}: {self.seen}")
        return self._up_to_stop(piece.text)

    def _up_to_stop(self, text: str) -> str:
        if self._stop is None:
            return text
        known = self._tail + text
        found = known.find(self._stop)
        if found < 0:
            self._tail = known[1 - len(self._stop) :] if len(self._stop) > 1 else ""
            return text
        self._cut = True
        end = found + len(self._stop)
        self.joined = "".join(_JOINED.findall(known, end)[:1])
        return known[len(self._tail) : end]

    def report(self, upstream: str) -> WriteReport:
        """The report of the answer.

        Raises:
            UpstreamError: The answer is not complete.
            EndedError: The engine ended it for a reason of its own.
        """
        finish: Finish
        if self._cut:
            finish = "stop"
        elif self._finish is None:
            raise UpstreamError(
                upstream, f"ended its answer without a 'finish_reason', after {self.seen}"
            )
        elif self._finish not in ("stop", "length"):
            ended = EndedError(
                upstream, f"ended its answer with finish_reason {self._finish!r}, after {self.seen}"
            )
            ended.finish = self._finish
            raise ended
        else:
            finish = "end" if self._finish == "stop" else "length"
        return self.counted(finish)

    def counted(self, finish: Finish) -> WriteReport:
        """The report of the answer so far."""
        usage = self._usage
        tokens = next(
            count for count in (usage.tokens, self._ids or None, self._events) if count is not None
        )
        return WriteReport(finish, tokens, usage.prompt_tokens, usage.cached_tokens)
