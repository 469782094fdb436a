"""A backend whose messages begin with a text that was written before."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from gtalign.steering import Backend, Draft, Sampling, WriteReport
from gtalign.tasks import Message


class Begun:
    """A backend that begins each message with the same text, and writes only what comes after it.

    All edits of one matrix then continue the same thinking, which is computed once.

    Args:
        backend: The backend that writes the rest.
        text: The text, up to the end of the matrix.
    """

    def __init__(self, backend: Backend, text: str) -> None:
        self.backend = backend
        self.begun = text

    @property
    def name(self) -> str:
        """Name of the backend that writes."""
        return self.backend.name

    @property
    def can_resume(self) -> bool:
        """Whether that backend can continue an edited text."""
        return self.backend.can_resume

    @property
    def grammar(self) -> Literal["gbnf", "ebnf"] | None:
        """Language of the grammars that can constrain it."""
        return self.backend.grammar

    def open(self, messages: Sequence[Message], sampling: Sampling) -> "BegunDraft":
        """Begin the next assistant message."""
        return BegunDraft(self.backend.open(messages, sampling), self.begun)

    async def aclose(self) -> None:
        """Do nothing: who opened the backend closes it."""


class BegunDraft:
    """A message that begins with a text written before; see `gtalign.steering.backend.Draft`."""

    def __init__(self, draft: Draft, begun: str) -> None:
        self.text = ""
        self.report: WriteReport | None = None
        self._draft = draft
        self._begun = begun

    def rewrite(self, text: str) -> None:
        """Replace the message."""
        self.text = text

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Give what is left of the text, or let the backend continue."""
        if len(self.text) < len(self._begun) and self._begun.startswith(self.text):
            rest = self._begun[len(self.text) :]
            self.text = self._begun
            self.report = WriteReport("stop", 0)
            yield rest
            return
        if self._draft.text != self.text:
            self._draft.rewrite(self.text)
        more = self._draft.write(
            max_tokens=max_tokens, stop=stop, grammar=grammar, sampling=sampling
        )
        try:
            async with aclosing(more) as slices:
                async for slice_ in slices:
                    self.text += slice_
                    yield slice_
        finally:
            self.report = self._draft.report
