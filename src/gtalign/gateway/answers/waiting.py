"""A backend whose waiting is measured: what is left of an answer's time is the gateway's own."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import Literal

from gtalign.steering import Backend, Draft, Report, Sampling
from gtalign.tasks import Message


class ClockedBackend:
    """Passes everything on to a backend, and counts the seconds that its text was waited for.

    Args:
        backend: What writes.

    Attributes:
        waited: Seconds, over all drafts.
        writes: When each stretch of writing began and ended, by `perf_counter`.
        begun: Whether any text has come.
    """

    def __init__(self, backend: Backend) -> None:
        self.waited = 0.0
        self.writes: list[tuple[float, float]] = []
        self.begun = False
        self._backend = backend

    @property
    def name(self) -> str:
        """Of the backend."""
        return self._backend.name

    @property
    def can_resume(self) -> bool:
        """Of the backend."""
        return self._backend.can_resume

    @property
    def grammar(self) -> Literal["gbnf", "ebnf"] | None:
        """Of the backend."""
        return self._backend.grammar

    def open(self, messages: Sequence[Message], sampling: Sampling) -> "ClockedDraft":
        """Begin the next assistant message."""
        return ClockedDraft(self, self._backend.open(messages, sampling))

    async def aclose(self) -> None:
        """Leave the backend open: others use it."""


class ClockedDraft:
    """A draft of a `ClockedBackend`."""

    def __init__(self, clock: ClockedBackend, draft: Draft) -> None:
        self._clock = clock
        self._draft = draft

    @property
    def text(self) -> str:
        """Of the draft."""
        return self._draft.text

    @property
    def report(self) -> Report | None:
        """Of the draft."""
        return self._draft.report

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Go on writing, with an eye on the clock."""
        writing = self._draft.write(
            max_tokens=max_tokens, stop=stop, grammar=grammar, sampling=sampling
        )
        began = start = perf_counter()
        try:
            async with aclosing(writing) as slices:
                async for slice_ in slices:
                    self._clock.waited += perf_counter() - began
                    self._clock.begun = True
                    yield slice_
                    began = perf_counter()
                self._clock.waited += perf_counter() - began
        finally:
            self._clock.writes.append((start, perf_counter()))

    def rewrite(self, text: str) -> None:
        """Replace the message."""
        self._draft.rewrite(text)
