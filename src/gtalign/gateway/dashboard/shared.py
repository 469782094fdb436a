"""A backend that writes what several answers ask alike once, for all of them.

Two answers to one question with one seed ask for the same text up to the matrix: they differ from
where a policy edits it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Literal

from gtalign.steering import Backend, Sampling
from gtalign.steering.backend import Draft, WriteReport
from gtalign.tasks import Message


class SharedBackend:
    """Writes through another backend; writes that are asked alike are one write.

    A write continues as long as one of its readers is there. What failed is asked again by the next
    reader. A backend that cannot continue a given text writes each answer by itself.

    Args:
        backend: The backend that writes. It is not closed.
    """

    def __init__(self, backend: Backend) -> None:
        self.writes: list[_Write] = []
        self._backend = backend

    @property
    def name(self) -> str:
        """Name of the backend that writes."""
        return self._backend.name

    @property
    def can_resume(self) -> bool:
        """Whether its drafts can be rewritten."""
        return self._backend.can_resume

    @property
    def grammar(self) -> Literal["gbnf", "ebnf"] | None:
        """Language of the grammars that can constrain it."""
        return self._backend.grammar

    def open(self, messages: Sequence[Message], sampling: Sampling) -> Draft:
        """Begin the next assistant message."""
        draft = self._backend.open(messages, sampling)
        return _Draft(self, draft, messages, sampling) if self.can_resume else draft

    async def aclose(self) -> None:
        """Leave the backend as it is."""

    def write_of(self, asked: tuple[Any, ...], draft: Draft, **options: Any) -> "_Write":
        """The write that was asked like this, or a new one on a draft."""
        for write in self.writes:
            if write.asked == asked and write.error is None:
                return write
        self.writes.append(_Write(asked, draft, options))
        return self.writes[-1]


class _Draft:
    """A message whose writes may be those of another one."""

    def __init__(
        self,
        shared: SharedBackend,
        draft: Draft,
        messages: Sequence[Message],
        sampling: Sampling,
    ) -> None:
        self.text = ""
        self.report: WriteReport | None = None
        self._shared = shared
        self._draft = draft
        self._asked = (tuple(messages), sampling)

    def rewrite(self, text: str) -> None:
        """Replace the message."""
        self.text = text

    async def write(self, **options: Any) -> AsyncGenerator[str, None]:
        """Continue the message, by a write of its own or along with another one's."""
        if self._draft.text != self.text:
            self._draft.rewrite(self.text)
        asked = (*self._asked, self.text, options)
        write = self._shared.write_of(asked, self._draft, **options)
        try:
            async with aclosing(write.read()) as slices:
                async for slice_ in slices:
                    self.text += slice_
                    yield slice_
        finally:
            self.report = write.report or self.report


class _Write:
    """One write of a draft, which any number of readers follow.

    Attributes:
        asked: What was asked for.
        report: The report of the write; None before it has ended.
        error: Why it failed; None if it did not, or not yet.
    """

    def __init__(self, asked: tuple[Any, ...], draft: Draft, options: dict[str, Any]) -> None:
        self.asked = asked
        self.report: WriteReport | None = None
        self.error: BaseException | None = None
        self._draft = draft
        self._slices: list[str] = []
        self._ended = False
        self._news = asyncio.Event()
        self._readers = 0
        self._task = asyncio.create_task(self._run(options), name="shared-write")

    async def read(self) -> AsyncGenerator[str, None]:
        """Its text from the beginning; the last reader to leave ends the write."""
        self._readers += 1
        place = 0
        try:
            while place < len(self._slices) or not self._ended:
                news = self._news
                if place == len(self._slices):
                    await news.wait()
                    continue
                place += 1
                yield self._slices[place - 1]
        finally:
            self._readers -= 1
            if not self._readers and not self._ended:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
        if self.error is not None:
            raise self.error

    async def _run(self, options: dict[str, Any]) -> None:
        try:
            async with aclosing(self._draft.write(**options)) as slices:
                async for slice_ in slices:
                    self._slices.append(slice_)
                    self._tell()
        except BaseException as error:  # of a write that was left too: nobody may follow it
            self.error = error
        finally:
            # The draft's own report is that of its next write as soon as that has ended.
            self.report, self._ended = self._draft.report, True
            self._tell()

    def _tell(self) -> None:
        """Wake the readers that wait."""
        news, self._news = self._news, asyncio.Event()
        news.set()
