"""The seam between a steering session and the engine that writes the text: one narrow protocol.

A backend opens a *draft*: one assistant message that is being written. A draft can be continued,
and it can be rewritten: it then continues from exactly the new text.
"""

from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from gtalign.tasks import Message

Finish = Literal["stop", "end", "length", "closed", "broken"]
"""Why a write ended: at the stop string, at the end of the model's turn, out of tokens, because its
reader had enough, or because the engine broke off."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Args:
        temperature: 0 takes the likeliest token.
        top_p: Least probability mass that is drawn from, in (0, 1].
        top_k: Number of likeliest tokens that are drawn from; 0 for all.
        seed: Seed of the draws; None lets the engine choose.
        extra: Further parameters, handed to an HTTP engine as they are; a backend in process
            refuses those that it does not know.
        own: For an answer of the engine's own: the parameters above that the request names. A
            server gets no others and renders the chat itself, as if nothing stood before it. None
            for an answer that is steered.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    own: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class WriteReport:
    """The reason and the token counts of one write, known when it has ended.

    Args:
        finish: Why it ended.
        tokens: Number of tokens that it wrote.
        prompt_tokens: Number of tokens before it, including the rewritten message; None if the
            engine does not report it.
        cached_tokens: How many of those the engine took from its cache; None if it does not
            report it.
    """

    finish: Finish
    tokens: int
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


class Draft(Protocol):
    """One assistant message that is being written.

    Attributes:
        text: The whole message so far.
        report: The report of the last write that ended; None before.
    """

    @property
    def text(self) -> str:
        """The whole message so far."""
        ...

    @property
    def report(self) -> WriteReport | None:
        """The report of the last write; None before one has ended."""
        ...

    def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue the message, and yield the new text in slices as they come.

        Joined, the slices are exactly the text that is added to `text`. To stop the engine, close
        the generator early or cancel its reader; `report` then counts the tokens written so far.

        Args:
            max_tokens: Most tokens to write, at least 1.
            stop: The write ends once the new text contains this string; the text then ends with
                it, and nothing after it is kept.
            grammar: Grammar of the new text, in the language that `Backend.grammar` names.
            sampling: Sampling of this write alone; by default that of the draft.

        Raises:
            UpstreamError: The engine failed; the message names it. `text` keeps what it wrote
                before, and `report` counts it.
        """
        ...

    def rewrite(self, text: str) -> None:
        """Replace the whole message; the next write continues from exactly there.

        Raises:
            SteeringError: The backend cannot do so (see `Backend.can_resume`).
        """
        ...


class Backend(Protocol):
    """An engine that writes text.

    Attributes:
        name: Name for people and records, such as ``transformers`` or an address with a method.
        can_resume: Whether its drafts can be rewritten. If not, an answer can only be asked again.
        grammar: Language of the grammars that can constrain it; None if it takes none.
    """

    @property
    def name(self) -> str:
        """Name of the backend, for people and records."""
        ...

    @property
    def can_resume(self) -> bool:
        """Whether its drafts can be rewritten."""
        ...

    @property
    def grammar(self) -> Literal["gbnf", "ebnf"] | None:
        """Language of the grammars that can constrain it."""
        ...

    def open(self, messages: Sequence[Message], sampling: Sampling) -> Draft:
        """Begin the next assistant message of a conversation; it is empty at first."""
        ...

    async def aclose(self) -> None:
        """Close connections and end threads."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A backend that computes the writes of several calls as one batch."""

    async def together(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Await calls at once, and return their results in order.

        The first call that fails ends the others, and its error is raised as it is.
        """
        ...
