"""How a completion is read: into a chain by our parser, or with the released code's leniency."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chain
from gtalign.errors import ChainError
from gtalign.game import GameForm

OPENING: Final = "<response>"
CLOSING: Final = "</response>"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reward needs to know of a completion that it could read.

    Args:
        response: What the user sees.
        before: Everything that was written before the response block opened.
        well_formed: F, whether the format was kept.
        payoffs_n2: Payoffs of the cells (user, LLM); None where no chain was asked for.
    """

    response: str
    before: str
    well_formed: bool
    payoffs_n2: NDArray[np.float64] | None


def read_chain(completion: str, chain: Chain) -> Reading:
    """Return the reading of a completion that parsed to a chain."""
    opened = completion.rindex("<", 0, chain.spans["response"][0])
    return Reading(
        response=chain.response,
        before=completion[:opened],
        well_formed=not chain.repairs,
        payoffs_n2=chain.payoff.payoffs.reshape(-1, 2),
    )


def read_plain(completion: str) -> Reading:
    """Return the reading of a completion that is the response alone."""
    return Reading(response=completion.strip(), before="", well_formed=True, payoffs_n2=None)


def read_released(completion: str, form: GameForm, needs_analyze: bool) -> Reading:
    """Read a completion as the released code does.

    It looks for the first ``<payoff>`` and ``<response>`` block wherever they stand, takes all
    quotes for double ones and checks no more than that each cell has two numbers. NaN, infinities,
    booleans, duplicate keys, any range, an empty response and text around the blocks all pass. The
    format is kept (F = 1) if the text begins with the four blocks in order and the last tag ends a
    line.

    Args:
        completion: The whole completion.
        form: The game whose cells the payoff must name.
        needs_analyze: The evaluation code also asks for an ``<analyze>`` block.

    Raises:
        ChainError: There is no such block, or the matrix cannot be read.
    """
    payoff, response = _block(completion, "payoff"), _block(completion, "response")
    if needs_analyze:
        _block(completion, "analyze")
    return Reading(
        response=response.strip(),
        before=completion[: completion.index(OPENING)],
        well_formed=_keeps_format(completion),
        payoffs_n2=_read_payoffs(payoff, form, completion.index("<payoff>")),
    )


def _block(text: str, name: str) -> str:
    """Return the content between the first tag that opens a block and the next that closes it."""
    start = text.find(f"<{name}>")
    end = text.find(f"</{name}>", start) if start >= 0 else -1
    if end < 0:
        raise ChainError("missing-block", max(start, 0), f"there is no <{name}> block")
    return text[start + len(name) + 2 : end]


# The seams of the released pattern, which is `<thinking>.*?</thinking>\s*<payoff>.*?` and so on to
# `</response>$`, anchored at the beginning of the text and at the end of a line. Each is looked for
# after the one before it, which takes linear time where the pattern would not.
_SEAMS = (
    re.compile(r"</thinking>\s*+<payoff>"),
    re.compile(r"</payoff>\s*+<analyze>"),
    re.compile(r"</analyze>\s*+<response>"),
    re.compile(r"</response>$", re.MULTILINE),
)


def _keeps_format(text: str) -> bool:
    if not text.startswith("<thinking>"):
        return False
    position = len("<thinking>")
    for seam in _SEAMS:
        found = seam.search(text, position)
        if found is None:
            return False
        position = found.end()
    return True


_QUOTES = str.maketrans(dict.fromkeys("'\u2018\u2019\u201c\u201d\u201e\u201f", '"'))


def _read_payoffs(text: str, form: GameForm, position: int) -> NDArray[np.float64]:
    def refuse(what: str) -> ChainError:
        return ChainError("payoff", position, f"the payoff matrix cannot be read: {what}")

    try:
        game: Any = json.loads(text.translate(_QUOTES))
    except (ValueError, RecursionError) as error:
        raise refuse(str(error)) from None
    if not isinstance(game, dict) or set(game) != set(form.cells):
        raise refuse(f"it needs the keys {', '.join(form.cells)}")
    payoffs = []
    for cell in form.cells:
        pair = game[cell]
        if not isinstance(pair, dict) or not all(
            isinstance(pair.get(player), int | float) for player in ("user", "LLM")
        ):
            raise refuse(f'{cell} is not {{"LLM": number, "user": number}}')
        payoffs.append((pair["user"], pair["LLM"]))
    try:
        return np.array(payoffs, dtype=np.float64)
    except OverflowError:
        raise refuse("an integer is too large") from None
