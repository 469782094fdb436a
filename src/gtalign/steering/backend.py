"""The seam between a steering session and whatever writes the text: one narrow protocol.

A backend opens a *draft*: one assistant message that is being written. A draft can write on, and it
can be rewritten: then it continues from exactly the new text.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gtalign.tasks import Message

Finish = Literal["stop", "end", "length", "closed", "broken"]
"""Why a write ended: at the stop string, at the end of the model's turn, out of tokens, because its
reader had enough, or because the engine broke off."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Args:
        temperature: 0 takes the likeliest token.
        top_p: Least probability mass that is drawn from, in (0, 1].
        top_k: Number of likeliest tokens that are drawn from; 0 for all.
        seed: Seed of the draws; None leaves them to the engine.
        extra: Further parameters, handed to an HTTP engine as they are; a backend in process
            refuses those that it does not know.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Report:
    """What one write took, known when it has ended.

    Args:
        finish: Why it ended.
        tokens: Tokens that were written in it.
        prompt_tokens: Tokens that it continued from, the rewritten message included; None if the
            engine does not say.
        cached_tokens: How many of those the engine did not compute again; None if it does not say.
    """

    finish: Finish
    tokens: int
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


class Draft(Protocol):
    """One assistant message that is being written.

    Attributes:
        text: All of it, as it stands.
        report: Report of the last write that ended; None before.
    """

    @property
    def text(self) -> str:
        """The message as it stands."""
        ...

    @property
    def report(self) -> Report | None:
        """What the last write took; None before one has ended."""
        ...

    def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Go on writing, and yield the new text in slices as they come.

        Joined, the slices are exactly what `text` grows by. Closing the generator early, or
        cancelling its reader, stops the engine; `report` then counts what had been written so far.

        Args:
            max_tokens: Most tokens to write, at least 1.
            stop: Ends the write once the new text contains it; the text then ends with it, and
                nothing behind it is kept.
            grammar: Grammar of the new text, in the language that `Backend.grammar` names.
            sampling: For this write alone; by default that of the draft.

        Raises:
            UpstreamError: The engine failed; names it. What it wrote before is in `text`, and
                counted in `report`.
        """
        ...

    def rewrite(self, text: str) -> None:
        """Replace the whole message; the next write continues from exactly there.

        Raises:
            SteeringError: The backend cannot (see `Backend.can_resume`).
        """
        ...


class Backend(Protocol):
    """Whatever writes text.

    Attributes:
        name: For people and records, such as ``transformers`` or an address with a method.
        can_resume: Whether its drafts can be rewritten. If not, only asking again is left.
        grammar: Language of the grammars that it can be held to; None if it cannot.
    """

    @property
    def name(self) -> str:
        """What it is, for people and records."""
        ...

    @property
    def can_resume(self) -> bool:
        """Whether its drafts can be rewritten."""
        ...

    @property
    def grammar(self) -> Literal["gbnf", "ebnf"] | None:
        """Language of the grammars that it can be held to."""
        ...

    def open(self, messages: Sequence[Message], sampling: Sampling) -> Draft:
        """Begin the next assistant message of a conversation; it is empty at first."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""
        ...
