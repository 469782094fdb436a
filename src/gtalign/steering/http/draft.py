"""A message that an engine writes over HTTP: one request a write, cut where it has to end."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering.backend import Finish, Report
from gtalign.steering.http.engines import Engine
from gtalign.steering.http.pieces import Piece, Usage
from gtalign.steering.http.transport import Transport

LONGEST_TOKEN: Final = 1024
"""Characters of one token at most: what exceeds it is an engine that ignores ``max_tokens``."""

_TRAILERS: Final = 8  # events that may follow the end of the text


class Prompt(Protocol):
    """What the engine is to go on from, in the form that it takes."""

    @property
    def path(self) -> str:
        """Where it is posted."""
        ...

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine go on behind `text`."""
        ...

    def read(self, value: Any) -> Piece:
        """Read an event of the answer; raises ValueError if it has another shape."""
        ...

    def grew(self, piece: Piece) -> None:
        """Take note of what the engine wrote."""
        ...


class HTTPDraft:
    """One assistant message that an engine writes; see `gtalign.steering.Draft`.

    Args:
        transport: To the engine.
        upstream: Name of the engine for messages.
        engine: Its kind.
        prompt: What it goes on from.
        common: Fields of every request.
        refusal: Why the message cannot be rewritten; None if it can.
    """

    def __init__(
        self,
        transport: Transport,
        upstream: str,
        engine: Engine,
        prompt: Prompt,
        common: Mapping[str, Any],
        refusal: str | None = None,
    ) -> None:
        self._transport = transport
        self._upstream = upstream
        self._engine = engine
        self._prompt = prompt
        self._common = common
        self._refusal = refusal
        self._text = ""
        self._report: Report | None = None
        self._writing = False

    @property
    def text(self) -> str:
        """The message as it stands."""
        return self._text

    @property
    def report(self) -> Report | None:
        """What the last write took; None before one has ended.

        Where the engine does not say how many tokens it wrote, each event with text counts as one.
        """
        return self._report

    def rewrite(self, text: str) -> None:
        """Replace the whole message; the next write goes on from exactly there.

        Raises:
            SteeringError: The backend cannot, or a write is under way.
        """
        if self._refusal is not None:
            raise SteeringError(
                f"{self._upstream} cannot go on with an edited message: {self._refusal}"
            )
        if self._writing:
            raise SteeringError(
                "a message cannot be rewritten while it is written: close the write"
            )
        self._text = text

    async def write(
        self, *, max_tokens: int, stop: str | None = None, grammar: str | None = None
    ) -> AsyncGenerator[str, None]:
        """Go on writing, and yield the new text in slices as they come.

        Args:
            max_tokens: Most tokens to write, at least 1.
            stop: Ends the write once the new text contains it; nothing behind it is kept.
            grammar: Of the new text, in the language of the engine.

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
        stopping, holding = self._engine.stopping(stop), self._engine.holding(grammar)
        self._writing = True
        try:
            body = {
                **self._common,
                **await self._prompt.fields(self._text),
                "max_tokens": max_tokens,
                "stream": True,
                **self._engine.counts,
                **stopping,
                **holding,
            }
            tally = _Tally(max_tokens, stop, bool(stopping))
            events = self._transport.events(self._prompt.path, body, upstream=self._upstream)
            async with aclosing(events):
                async for value in events:
                    try:
                        piece = self._prompt.read(value)
                        new = tally.add(piece)
                    except ValueError as error:
                        raise UpstreamError(
                            self._upstream, f"sent what cannot be, after {tally.seen}: {error}"
                        ) from None
                    self._prompt.grew(piece)
                    if new:
                        self._text += new
                        yield new
                    if tally.over:
                        break
            self._report = tally.report(self._upstream)
        finally:
            self._writing = False


class _Tally:
    """What one answer has come to: how far it is read, and where its text ends."""

    def __init__(self, max_tokens: int, stop: str | None, told: bool) -> None:
        self._max_tokens = max_tokens
        self._stop = stop
        self._told = told  # the engine knows the stop string, and may stop there by itself
        self._tail = ""  # the end of the new text, too short for the stop string
        self._characters = 0
        self._events = 0  # with text
        self._ids = 0
        self._usage = Usage()
        self._finish: str | None = None  # as the engine says
        self._cut = False  # the stop string was found
        self._beyond = False  # text came behind it
        self._trailers = 0  # events behind the end of the text

    @property
    def seen(self) -> str:
        """How far the answer had come, for messages."""
        return f"{self._characters} characters in {self._events} events"

    @property
    def over(self) -> bool:
        """Whether nothing that matters can follow: the connection need not be read on."""
        ends_itself = self._told and not self._beyond  # and then counts its tokens
        return (self._cut and not ends_itself) or self._trailers > _TRAILERS

    def add(self, piece: Piece) -> str:
        """Take the next event and return what the text grows by.

        Raises:
            ValueError: It cannot be, after those before it.
        """
        self._trailers += self._cut or self._finish is not None
        self._beyond |= self._cut and bool(piece.text)
        if piece.text and self._finish is not None and not self._cut:
            raise ValueError("text after its 'finish_reason'")
        if piece.usage is not None:
            self._usage = piece.usage
        if piece.finish is not None and piece.finish not in ("stop", "length"):
            raise ValueError(f"finish_reason {piece.finish!r}; 'stop' and 'length' are known")
        self._finish = self._finish or piece.finish
        self._ids += len(piece.ids)
        self._characters += len(piece.text)
        most = self._max_tokens
        if self._ids > most or self._characters > most * LONGEST_TOKEN:
            raise ValueError(f"it ignores max_tokens, which is {most}: {self.seen}")
        if self._cut:
            return ""
        self._events += bool(piece.text)
        new = self._up_to_stop(piece)
        if self._told and piece.finish == "stop" and not (self._cut or piece.tells):
            raise ValueError("finish_reason 'stop', but not at what, though it was given a string")
        return new

    def _up_to_stop(self, piece: Piece) -> str:
        if self._stop is None:
            return piece.text
        known = self._tail + piece.text
        found = known.find(self._stop)
        if found >= 0:
            self._cut = True
            return known[len(self._tail) : found + len(self._stop)]
        if piece.matched == self._stop:  # the engine met it, and kept it to itself
            self._cut = True
            return piece.text + self._stop
        self._tail = known[1 - len(self._stop) :] if len(self._stop) > 1 else ""
        return piece.text

    def report(self, upstream: str) -> Report:
        """What the answer took.

        Raises:
            UpstreamError: It is not complete.
        """
        finish: Finish
        if self._cut:
            finish = "stop"
        elif self._finish is None:
            raise UpstreamError(
                upstream, f"ended its answer without a 'finish_reason', after {self.seen}"
            )
        else:
            finish = "end" if self._finish == "stop" else "length"
        usage = self._usage
        tokens = next(
            count for count in (usage.tokens, self._ids or None, self._events) if count is not None
        )
        return Report(finish, tokens, usage.prompt_tokens, usage.cached_tokens)
