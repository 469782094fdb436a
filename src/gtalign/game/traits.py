"""What is known of an action of the LLM: how a response shows it, and what it takes."""

from typing import Final, Literal, NamedTuple

Asks = Literal["no", "only", "also", "last"]
"""How the sentences of a response ask: none does, all do (but for courtesies), some do beside
statements, or the last one does."""


class Sign(NamedTuple):
    """How a response shows that it carries out an action. All that is given has to hold.

    `gtalign.chain.acted` reads signs. If no action or several show in a response, nobody can tell
    which it carries out.

    Attributes:
        asks: How its sentences ask; None for in any way or none.
        first_line: One of these texts begins the first line: in any case, as a whole word, after
            marks of a heading, a list or emphasis.
        marker: One of these texts is in it, exactly as it is written here.
        words: One of these words or phrases is in it, in any case, outside code and quotations.
        without: None of these texts is in it, in any case.
    """

    asks: Asks | None = None
    first_line: tuple[str, ...] = ()
    marker: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that it names."""
        return (*self.first_line, *self.marker, *self.words, *self.without)

    def told(self) -> str:
        """Say to a model how to write a response that shows this sign."""
        parts = []
        if self.first_line:
            parts.append(f"begin with {_either(self.first_line)}")
        if self.marker:
            parts.append(f"write {_either(self.marker)} in it")
        if self.words:
            parts.append(f"say {_either(self.words)}")
        if self.asks is not None:
            parts.append(_ASKED[self.asks])
        if self.without:
            parts.append(f"do not write {_either(self.without)}")
        return "; ".join(parts)


class TokenUse(NamedTuple):
    """How many tokens an action is expected to take; means, so they need not be whole.

    Attributes:
        output: Tokens that the LLM writes in this turn, including its whole chain.
        turns: Further turns that the action causes.
        follow_up: Tokens that the LLM writes in each of those.
        reply: Tokens that the user writes in each of those.
    """

    output: float
    turns: float = 0.0
    follow_up: float = 0.0
    reply: float = 0.0


class Traits(NamedTuple):
    """What is known of one action of the LLM.

    Attributes:
        sign: How a response shows it; None if no rule can read it.
        tokens: What it is expected to take; None if nobody said.
        counts_as: The action of ``USER_LLM`` that policies mean by it; None for none.
    """

    sign: Sign | None = None
    tokens: TokenUse | None = None
    counts_as: str | None = None


NO_TRAITS: Final = Traits()
"""Of an action of which only the name and the description are known."""

_ASKED: Final = {
    "no": "ask nothing",
    "only": "ask exactly one question and state nothing",
    "also": "answer briefly, then ask exactly one question",
    "last": "end with a question",
}


def _either(texts: tuple[str, ...]) -> str:
    return " or ".join(f'"{text}"' for text in texts)
