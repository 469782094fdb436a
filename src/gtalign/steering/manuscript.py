"""One message as it is written, stretch by stretch; each stretch is counted and timed."""

import string
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Final

from gtalign.chain import Event, Part
from gtalign.steering.answer import Ask
from gtalign.steering.backend import Backend, Sampling, WriteReport
from gtalign.steering.phase import Phase
from gtalign.steering.stopwatch import Stopwatch
from gtalign.tasks import Message

_MARKS: Final = string.punctuation
Grammar = Callable[[Part, str], str | None]
"""The grammar of a part of a chain that begins with a text; None where the engine takes none."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of writing.

    Args:
        name: Its name in the record.
        stop: The text that ends it; None for the end of the model's turn alone.
        part: The part of a chain whose grammar constrains the engine; None for no grammar.
        take: Reads a slice of the new text, and returns the events that it completes.
        enough: Tells after a slice whether to stop.
        sampling: How tokens are drawn; None for the way that the request names.
        most: Most tokens to write; None for all that the request still allows.
    """

    name: str
    stop: str | None
    part: Part | None
    take: Callable[[str], Iterable[Event]]
    enough: Callable[[], bool] = lambda: False
    sampling: Sampling | None = None
    most: int | None = None


class Manuscript:
    """The message of one answer; it may be rewritten or restarted between two stretches.

    Args:
        backend: The backend that writes.
        messages: The conversation.
        ask: The request: how tokens are drawn, and how many.
        grammar: Returns the grammar of a part of a chain.
        watch: Times the writing.

    Attributes:
        phases: The phases so far, including an unfinished last one.
    """

    def __init__(
        self,
        backend: Backend,
        messages: Sequence[Message],
        ask: Ask,
        grammar: Grammar,
        watch: Stopwatch,
    ) -> None:
        self.phases: list[Phase] = []
        self._backend = backend
        self._ask = ask
        self._grammar = grammar
        self._watch = watch
        self._allowed = ask.max_tokens
        self._lead = ""  # held back of the message, for the model to write
        self._draft = backend.open(messages, ask.sampling)

    @property
    def text(self) -> str:
        """The message so far."""
        return self._draft.text

    @property
    def report(self) -> WriteReport | None:
        """The report of this message's last stretch; None before one has ended."""
        return self._draft.report

    @property
    def tokens_left(self) -> int:
        """Tokens that the request still allows."""
        return self._allowed - sum(phase.tokens for phase in self.phases)

    def begin(self, text: str, tokens: int) -> None:
        """Continue a text that another manuscript has written, of so many tokens."""
        self._allowed -= tokens
        self._draft.rewrite(text)

    def restart(self, messages: Sequence[Message], *, whole: bool = False) -> None:
        """Start the message again, in answer to these messages.

        Args:
            messages: The conversation.
            whole: Whether the new message may take all tokens of the request; if not, those that
                are left.
        """
        self._open(messages, self._ask.sampling, whole=whole)

    def leave(self) -> None:
        """Start the engine's own answer to the request; what was written does not count for it."""
        ask = self._ask
        self._open(ask.messages, replace(ask.sampling, own=ask.named), whole=True)

    def replace(self, text: str) -> None:
        """Replace the whole message; the next stretch continues from exactly there."""
        self._draft.rewrite(text)

    def rewrite(self, text: str) -> None:
        """Replace the message except for the marks at its end, which the model writes itself.

        Tokenizers join marks with what follows them, so a model rarely sees a text that ends after
        one: ``<analyze>`` often ends in the middle of a token. The next stretch has to begin with
        the marks that are held back.
        """
        kept = text.rstrip(_MARKS)
        self._lead = text[len(kept) :]
        self._draft.rewrite(kept)

    async def write(self, stretch: Stretch) -> AsyncGenerator[str, None]:
        """Continue writing and record the phase. The marks held back are written in any case.

        Raises:
            UpstreamError: The engine failed.
        """
        lead, self._lead = self._lead, ""
        begun, watch = self.text, self._watch
        said = ""  # until it is as long as the lead
        with self._phase(stretch.name):
            async with aclosing(self._asked(stretch, lead)) as slices:
                async for slice_ in slices:
                    watch.came()
                    if len(said) >= len(lead):
                        yield slice_
                    else:
                        said += slice_
                        if not said.startswith(lead[: len(said)]):
                            break
                        if len(said) >= len(lead):
                            yield said
                    watch.wait()
        if said.startswith(lead):
            return
        # The model did not write the lead itself: give it the whole text as it is.
        self._draft.rewrite(begun + lead)
        yield lead
        if self.tokens_left > 0:
            with self._phase(stretch.name):
                async with aclosing(self._asked(stretch, "")) as slices:
                    async for slice_ in slices:
                        watch.came()
                        yield slice_
                        watch.wait()

    def _open(self, messages: Sequence[Message], sampling: Sampling, *, whole: bool) -> None:
        if whole:
            self._allowed += self._ask.max_tokens - self.tokens_left
        self._lead = ""
        self._draft = self._backend.open(messages, sampling)

    def _asked(self, stretch: Stretch, lead: str) -> AsyncGenerator[str, None]:
        left = self.tokens_left
        return self._draft.write(
            max_tokens=left if stretch.most is None else min(left, stretch.most),
            stop=stretch.stop,
            grammar=None if stretch.part is None else self._grammar(stretch.part, lead),
            sampling=stretch.sampling,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Record the phase of a stretch, however it ends."""
        draft, began, before = self._draft, perf_counter(), self._draft.report
        try:
            with self._watch.stretch():
                yield
        finally:
            report = draft.report
            if report is not None and report is not before:
                took = report.tokens, report.prompt_tokens, report.cached_tokens, report.finish
                self.phases.append(Phase(name, *took, (perf_counter() - began) * 1000))
