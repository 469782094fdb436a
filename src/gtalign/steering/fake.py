"""A backend for tests: it writes a given script and records the requests."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering.backend import Finish, Sampling, WriteReport
from gtalign.tasks import Message

Script = Callable[[Sequence[Message], str], str | Iterable[str | UpstreamError]]
"""Takes the conversation and the message so far; returns its continuation: text, or slices of it.
An error among the slices is raised when it is reached."""


@dataclass(frozen=True, slots=True)
class Write:
    """One call of `FakeDraft.write`: the message before it, and its arguments."""

    text: str
    max_tokens: int
    stop: str | None
    grammar: str | None
    sampling: Sampling


class FakeBackend:
    """A backend that writes a script. A token is ``size`` characters of it.

    Args:
        script: The text to write.
        size: Characters in a token, and in a slice.
        can_resume: Whether its drafts can be rewritten.
        grammar: Language of the grammars that it takes. It ignores them: the script decides.

    Attributes:
        asked: The conversations that drafts were opened for.
        writes: Every write, in order.
    """

    name = "fake"

    def __init__(
        self,
        script: Script,
        *,
        size: int = 4,
        can_resume: bool = True,
        grammar: Literal["gbnf", "ebnf"] | None = None,
    ) -> None:
        self.script = script
        self.size = size
        self.can_resume = can_resume
        self.grammar = grammar
        self.asked: list[tuple[Message, ...]] = []
        self.writes: list[Write] = []

    def open(self, messages: Sequence[Message], sampling: Sampling) -> "FakeDraft":
        """Begin the next assistant message."""
        self.asked.append(tuple(messages))
        return FakeDraft(self, tuple(messages), sampling)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


class FakeDraft:
    """A message of a `FakeBackend`."""

    def __init__(
        self, backend: FakeBackend, messages: tuple[Message, ...], sampling: Sampling
    ) -> None:
        self.text = ""
        self.report: WriteReport | None = None
        self._backend = backend
        self._messages = messages
        self._sampling = sampling

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue as the script says."""
        backend, start = self._backend, len(self.text)
        backend.writes.append(
            Write(self.text, max_tokens, stop, grammar, sampling or self._sampling)
        )
        read = sum(len(m["content"]) for m in self._messages) + start
        finish: Finish = "closed"
        tokens = 0
        try:
            for slice_ in self._slices():
                if isinstance(slice_, UpstreamError):
                    finish = "broken"
                    raise slice_
                if tokens == max_tokens:
                    finish = "length"
                    return
                tokens += 1
                said = len(self.text)
                self.text += slice_
                found = -1 if stop is None else self.text.find(stop, start)
                if stop is not None and found >= 0:
                    self.text = self.text[: found + len(stop)]
                    finish = "stop"
                yield self.text[said:]
                if found >= 0:
                    return
            finish = "end"
        finally:
            self.report = WriteReport(finish, tokens, prompt_tokens=read // backend.size)

    def _slices(self) -> Iterable[str | UpstreamError]:
        written = self._backend.script(self._messages, self.text)
        if not isinstance(written, str):
            return written
        size = self._backend.size
        return [written[i : i + size] for i in range(0, len(written), size)]

    def rewrite(self, text: str) -> None:
        """Replace the message."""
        if not self._backend.can_resume:
            raise SteeringError(f"{self._backend.name} cannot continue an edited text")
        self.text = text
