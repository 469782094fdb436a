"""How long completions and their parts are, in tokens, words or characters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import BLOCKS
from gtalign.models import count_words
from gtalign.reward.reading import Readings

MEASURED: Final = ("before", "response", "total")
"""The parts that factors measure: all text before the response, the response, and the whole."""

COUNTED: Final = (*BLOCKS, "before", "total")
"""The parts whose number of tokens a score gives."""

_LAST: Final = 0x3000
"""The last character that is whitespace, the ideographic space."""

_SPACE: Final = np.array([chr(code).isspace() for code in range(_LAST + 2)])
_ASCII: Final = _SPACE[:256].tobytes()
_BLOCK: Final = 1 << 16
"""Approximate number of characters in a block: its arrays stay in the processor's cache."""


class Lengths:
    """The lengths of the parts of N completions.

    Args:
        readings: The completions as they were read.
        count_tokens: Length of a text in tokens.
        recorded: Known counts of tokens, by row.

    Attributes:
        tokens: Numbers of tokens by the names of `COUNTED`, each ``[N]``; NaN where a part could
            not be read. The response is that of the chain, where there is one.
    """

    def __init__(
        self,
        readings: Readings,
        count_tokens: Callable[[str], int],
        recorded: Mapping[int, Mapping[str, int]],
    ) -> None:
        completions, chains = readings.texts, readings.chains
        count = len(completions)
        self._texts = completions
        self._spans_N32 = np.zeros((count, len(MEASURED), 2), np.intp)
        self._spans_N32[:, 0, 1] = readings.before_N
        self._spans_N32[:, 1] = readings.spans_N2
        self._spans_N32[:, 2, 1] = [len(text) for text in completions]
        blocks_N42 = np.zeros((count, len(BLOCKS), 2), np.intp)
        if chains is not None:
            blocks_N42 = chains.spans_N42
        chain_N = blocks_N42[:, -1, 1] > 0
        spans_N62 = np.concatenate([blocks_N42, self._spans_N32[:, ::2]], axis=1)
        spans_N62[~chain_N, COUNTED.index("response")] = readings.spans_N2[~chain_N]
        known_N6 = np.repeat(chain_N[:, None], len(COUNTED), axis=1)
        known_N6[:, COUNTED.index("response")] |= readings.read_N
        known_N6[:, COUNTED.index("before")] = readings.read_N
        known_N6[:, COUNTED.index("total")] = True
        counts_N6 = np.full(known_N6.shape, np.nan)
        if count_tokens is count_words:
            counts_N6[known_N6] = words_in_spans(completions, spans_N62)[known_N6]
        else:
            for row in sorted(set(range(count)) - recorded.keys()):
                text, known = completions[row], known_N6[row]
                spans = spans_N62[row, known].tolist()
                counts_N6[row, known] = [count_tokens(text[start:end]) for start, end in spans]
        for row, counts in recorded.items():
            counts_N6[row] = [_number(counts.get(name)) for name in COUNTED]
        self.tokens: dict[str, NDArray[np.float64]] = dict(zip(COUNTED, counts_N6.T, strict=True))

    def of(self, part: str, unit: str) -> NDArray[np.float64]:
        """Return the lengths ``[N]`` of one of the parts `MEASURED`, in the unit."""
        if unit == "tokens":
            return self.tokens[part]
        spans_N12 = self._spans_N32[:, [MEASURED.index(part)]]
        lengths_N: NDArray[np.intp]
        if unit == "words":
            lengths_N = words_in_spans(self._texts, spans_N12)[:, 0]
        else:
            lengths_N = spans_N12[:, 0, 1] - spans_N12[:, 0, 0]
        return lengths_N.astype(np.float64)


def usable(counts: Mapping[str, int]) -> bool:
    """Whether recorded counts cover the parts that factors measure."""
    return all(_number(counts.get(name)) >= 0 for name in MEASURED)


def _number(count: Any) -> float:
    known = isinstance(count, int | float) and not isinstance(count, bool)
    return float(count) if known else np.nan


def words_in_spans(texts: Sequence[str], spans_NK2: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the number of words in K spans of each of N texts, integer ``[N, K]``.

    The result equals `count_words` of each ``text[start:end]``, for all of them at once.

    Args:
        texts: The texts.
        spans_NK2: Character spans (start, end) within their text.
    """
    counts_NK = np.zeros(spans_NK2.shape[:2], np.intp)
    for rows in _blocks(texts):
        some = [texts[row] for row in rows]
        begins = [0, *accumulate(map(len, some[:-1]))]
        counts_NK[rows] = _count("".join(some), spans_NK2[rows] + np.array(begins)[:, None, None])
    return counts_NK


def _blocks(texts: Sequence[str]) -> Iterator[list[int]]:
    """The numbers of texts by the block, those in ASCII apart from the others."""
    for ascii in (True, False):
        block: list[int] = []
        size = 0
        for row, text in enumerate(texts):
            if text.isascii() is ascii:
                block.append(row)
                size += len(text)
                if size >= _BLOCK:
                    yield block
                    block, size = [], 0
        if block:
            yield block


def _count(text: str, spans_NK2: NDArray[np.intp]) -> NDArray[np.intp]:
    if text.isascii():
        space = np.frombuffer(text.encode("ascii").translate(_ASCII), np.bool_)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        space = _SPACE[np.minimum(codes, _LAST + 1)]
    # A word begins where a span does, unless in a space, and after every space within it.
    begun = np.flatnonzero(space[:-1] > space[1:]) + 1
    starts, ends = spans_NK2[..., 0], spans_NK2[..., 1]
    later = np.searchsorted(begun, ends) - np.searchsorted(begun, starts, "right")
    first = ~space[np.minimum(starts, len(space) - 1)] if len(space) else False
    return np.where(starts < ends, later + first, 0)
