"""Read one part of a chain from a teacher's reply."""

from typing import Final

from gtalign.chain.blocks import TAG
from gtalign.chain.payoff import PayoffReader
from gtalign.chain.reasoning import behind_reasoning
from gtalign.chain.scan import Repair
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, Bimatrix, GameForm

LONGEST: Final = 100_000
"""Characters of the longest part that is taken."""


class UnusableReply(ValueError):
    """A reply is no part of a chain; says why. A signal (see `gtalign.errors`)."""


def read_text(reply: str, block: str) -> str:
    """Return the content of a part that is text.

    A teacher's own reasoning before it (see `gtalign.chain.reasoning`) and the part's own tags
    around it are left out. A part that would break the chain is refused.

    Raises:
        UnusableReply: It is empty, too long, or holds one of the chain's tags.
    """
    text = _bare(reply, block)
    found = TAG.search(text)
    if found is not None:
        raise UnusableReply(f"it holds the tag {found.group()}")
    return text


def read_payoff(
    reply: str, form: GameForm = USER_LLM, *, low: float = -5.0, high: float = 5.0
) -> Bimatrix:
    """Return the payoffs of a reply, each rounded to one decimal, as a chain writes them.

    Words and code fences around the JSON, other quotes and trailing commas are repaired. A cell or
    payoff that is missing, doubled, not a number or out of range is refused.

    Raises:
        UnusableReply: It holds no such JSON; the message names the place.
    """
    text = _bare(reply, "payoff")
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or end <= start:
        raise UnusableReply("it holds no JSON object")
    repairs: list[Repair] = []
    try:
        read = PayoffReader(form, low, high).read(text, start, end, repairs=repairs)
    except ChainError as error:
        raise UnusableReply(str(error)) from error
    return Bimatrix(form, read.payoffs.round(1) + 0.0)  # + 0.0: there is no -0.0


def _bare(reply: str, block: str) -> str:
    if len(reply) > LONGEST:
        raise UnusableReply(f"it is longer than {LONGEST} characters")
    behind = behind_reasoning(reply)
    if behind is None:
        raise UnusableReply("its reasoning never ends")
    text = behind.strip()
    opening, closing = f"<{block}>", f"</{block}>"
    if text.startswith(opening) and text.endswith(closing):
        text = text[len(opening) : -len(closing)].strip()
    if not text:
        raise UnusableReply("it is empty")
    return text
