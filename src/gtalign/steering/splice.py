"""Write an edited matrix into a payoff block, and leave the rest of the block as it was."""

import json
import math
import re
from decimal import Decimal
from typing import Final

from gtalign.chain.payoff import PayoffReader
from gtalign.errors import ChainError, SteeringError
from gtalign.game import Bimatrix
from gtalign.game.bimatrix import PLAYER_KEYS
from gtalign.steering.edit import DECIMALS

_VALUE: Final = re.compile(
    r":[ \t\n\r]*+(?P<number>-?[0-9]++(?:\.(?P<fraction>[0-9]++))?(?P<exponent>[eE][+-]?[0-9]++)?)"
)


def decimals_of(payoff_text: str) -> int:
    """The most decimals among the numbers of a payoff block, as they are written.

    ``1.50`` has two; a number with an exponent has those of its value. Zero if all are whole, and
    at most `DECIMALS`. Numbers are what follows a colon, so a block that had to be repaired is
    read as well.
    """
    most = 0
    for found in _VALUE.finditer(payoff_text):
        decimals = len(found["fraction"] or "")
        if found["exponent"]:
            value = Decimal(repr(float(found["number"])))
            exponent = value.as_tuple().exponent if value.is_finite() else 0
            decimals = -exponent if isinstance(exponent, int) else 0
        most = max(most, decimals)
    return min(most, DECIMALS)


def splice(text: str, span: tuple[int, int], edited: Bimatrix, *, decimals: int) -> str:
    """Put an edited matrix into a payoff block.

    Only the numbers that changed are replaced. White space, the order of keys and all other
    numbers stay character for character, so that what an engine has cached stays valid up to the
    first number that changed. A block that does not parse strictly, because its reading was
    repaired, is written anew as plain JSON.

    Args:
        text: The text that holds the block.
        span: Where the block's content begins and ends in `text`.
        edited: The matrix to write.
        decimals: Decimals of the numbers that are written, as for `fit`.

    Returns:
        The new content of the block, for ``text[span[0]:span[1]]``. It parses strictly to
        `edited`.

    Raises:
        SteeringError: A payoff that changed has more decimals.
    """
    start, end = span
    reader = PayoffReader(edited.form, -math.inf, math.inf)
    numbers: dict[tuple[str, str], tuple[int, int]] = {}
    try:
        stated = reader.read(text, start, end, numbers=numbers)
    except ChainError:
        return json.dumps(edited.to_json())
    parts = []
    for (cell, player), (first, after) in numbers.items():  # in the order of the text
        side = PLAYER_KEYS.index(player)
        value = edited.cell(cell)[side]
        if value != stated.cell(cell)[side]:
            parts += [text[start:first], _numeral(f"{cell}: the {player}", value, decimals)]
            start = after
    return "".join([*parts, text[start:end]])


def _numeral(where: str, value: float, decimals: int) -> str:
    numeral = f"{value:.{decimals}f}"
    if float(numeral) != value:
        raise SteeringError(
            f"{where} payoff {value!r} has more than {decimals} decimals; fit the edit first"
        )
    return numeral
