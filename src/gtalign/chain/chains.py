"""The chains of many texts: their numbers as arrays, and each chain on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain.blocks import BLOCKS, Chain
from gtalign.chain.parse import parse, spotless
from gtalign.chain.payoff import PayoffReader, number_written
from gtalign.errors import ChainError
from gtalign.game.bimatrix import Bimatrix
from gtalign.game.form import USER_LLM, GameForm

_NOWHERE: Final = (0, 0) * len(BLOCKS)


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """The results of `parse` on N texts.

    ``chains[row]`` is the `Chain` of one text, or None if it is not a chain.

    Args:
        texts: The parsed texts.
        form: The game.
        analyses: The analyze block of each, without surrounding whitespace; None if no chain.
        responses: The response block of each, without surrounding whitespace; None if no chain.
        payoffs_Nmn2: The matrices; NaN where a text is no chain.
        spans_N42: For each of `BLOCKS` the character span (start, end) of its content in the text;
            0 where it is no chain.
        errors: Why a text is no chain, by row.
        parsed: The chains of the rows that the fast path could not read, by row.
    """

    texts: Sequence[str]
    form: GameForm
    analyses: Sequence[str | None]
    responses: Sequence[str | None]
    payoffs_Nmn2: NDArray[np.float64]
    spans_N42: NDArray[np.intp]
    errors: Mapping[int, ChainError]
    parsed: Mapping[int, Chain]

    def __len__(self) -> int:
        return len(self.texts)

    def found(self) -> tuple[NDArray[np.intp], list[str], list[str]]:
        """The rows that are chains, with their analyze and response blocks."""
        rows = [row for row, response in enumerate(self.responses) if response is not None]
        analyses = [text for text in self.analyses if text is not None]
        responses = [text for text in self.responses if text is not None]
        return np.array(rows, np.intp), analyses, responses

    def __getitem__(self, row: int) -> Chain | None:
        row = range(len(self.texts))[row]
        response, analyze = self.responses[row], self.analyses[row]
        if row in self.parsed or response is None or analyze is None:
            return self.parsed.get(row)
        (start, end), *_ = spans = [(a, b) for a, b in self.spans_N42[row].tolist()]
        return Chain(
            self.texts[row][start:end].strip(),
            Bimatrix.unchecked(self.form, self.payoffs_Nmn2[row].copy()),
            analyze,
            response,
            spans=dict(zip(BLOCKS, spans, strict=True)),
        )


def parse_batch(
    texts: Sequence[str],
    form: GameForm = USER_LLM,
    *,
    tolerant: bool = False,
    low: float = -5.0,
    high: float = 5.0,
    belief: bool = False,
) -> Chains:
    """Parse completions like `parse`, in a quarter of the time; errors are kept, not raised.

    Chains that have to state a belief take the time of `parse`.

    Args:
        texts: The whole completions.
        form: The game whose cells the payoffs must name.
        tolerant: Whether to repair common misspellings of models.
        low: Least payoff allowed, inclusive.
        high: Greatest payoff allowed, inclusive.
        belief: Whether chains have to state a belief.
    """
    read = spotless(form).fullmatch
    least, most = PayoffReader(form, low, high).limits
    size = 2 * len(form.cells)
    analyze, response = size + 3, size + 4
    analyses: list[str | None] = []
    responses: list[str | None] = []
    numbers: list[float] = []
    spans: list[int] = []
    blank = [np.nan] * size
    for text in texts:
        found = None if belief else read(text)
        said = "" if found is None else found.group(response).strip()
        if found is None or not said:
            analyses.append(None)
            responses.append(None)
            numbers += blank
            spans += _NOWHERE
            continue
        analyses.append(found.group(analyze).strip())
        responses.append(said)
        numbers += map(number_written, found.groups()[2 : size + 2])
        spans += (*found.span(1), *found.span(2), *found.span(analyze), *found.span(response))
    # As written, the LLM's payoff comes before the user's. No payoff is -0.0.
    payoffs_Nmn2 = np.array(numbers).reshape(len(texts), *form.shape, 2)[..., ::-1] + 0.0
    spans_N42 = np.array(spans, np.intp).reshape(len(texts), len(BLOCKS), 2)
    right_N = ((payoffs_Nmn2 >= least) & (payoffs_Nmn2 <= most)).all(axis=(1, 2, 3))
    errors: dict[int, ChainError] = {}
    parsed: dict[int, Chain] = {}
    for row in np.flatnonzero(~right_N).tolist():
        try:
            chain = parse(texts[row], form, tolerant=tolerant, low=low, high=high, belief=belief)
        except ChainError as error:
            errors[row] = error
            analyses[row] = responses[row] = None
            payoffs_Nmn2[row], spans_N42[row] = np.nan, 0
        else:
            parsed[row] = chain
            analyses[row], responses[row] = chain.analyze, chain.response
            payoffs_Nmn2[row] = chain.payoff.payoffs
            spans_N42[row] = [chain.spans[name] for name in BLOCKS]
    return Chains(texts, form, analyses, responses, payoffs_Nmn2, spans_N42, errors, parsed)
