"""How completions are read: into chains by our parser, or with the released code's leniency."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gtalign.chain import Chains, unanswered
from gtalign.chain.reasoning import shown
from gtalign.errors import ChainError
from gtalign.game import GameForm

OPENING: Final = "<response>"
CLOSING: Final = "</response>"


@dataclass(frozen=True, slots=True)
class Reading:
    """The parts of a completion that a reward needs, as the released code reads them.

    Args:
        response: The text that the user sees.
        span: Its character span in the completion.
        before: Number of characters that were written before the response block opened.
        well_formed: F, whether the format was kept.
        payoffs_n2: Payoffs of the cells (user, LLM).
    """

    response: str
    span: tuple[int, int]
    before: int
    well_formed: bool
    payoffs_n2: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """The parts of N completions that a reward needs; they are parsed once, here.

    Args:
        texts: The completions.
        chains: The chains in them, as our parser reads them; None where no chain was asked for.
        responses: The text that the user sees; None where the completion cannot be read.
        spans_N2: Character span of the response within the completion; 0 where it cannot be read.
        before_N: Number of characters that were written before the response block opened.
        well_formed_N: F, whether the format was kept.
        payoffs_Nn2: Payoffs of the cells (user, LLM); None where no chain was asked for.
        errors: Why our parser finds no chain, or else why one cannot be read, by row.
        unanswered: Why a plain answer has no response, by row: there is nothing to grade.
    """

    texts: Sequence[str]
    chains: Chains | None
    responses: Sequence[str | None]
    spans_N2: NDArray[np.intp]
    before_N: NDArray[np.intp]
    well_formed_N: NDArray[np.bool_]
    payoffs_Nn2: NDArray[np.float64] | None
    errors: Mapping[int, str]
    unanswered: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def read_N(self) -> NDArray[np.bool_]:
        """Which completions could be read."""
        return np.array([response is not None for response in self.responses], np.bool_)


def read_chains(chains: Chains) -> Readings:
    """Return the readings of completions that should be chains; the others cannot be read."""
    before_N = np.maximum(chains.spans_N42[:, -1, 0] - len(OPENING), 0)
    well_formed_N = np.ones(len(chains), np.bool_)
    for row, chain in chains.parsed.items():
        # A repaired tag may have another spelling.
        before_N[row] = chains.texts[row].rindex("<", 0, chain.spans["response"][0])
        well_formed_N[row] = not chain.repairs
    return Readings(
        texts=chains.texts,
        chains=chains,
        responses=chains.responses,
        spans_N2=chains.spans_N42[:, -1],
        before_N=before_N,
        well_formed_N=well_formed_N,
        payoffs_Nn2=chains.payoffs_Nmn2.reshape(len(chains), len(chains.form.cells), 2),
        errors={row: str(error) for row, error in chains.errors.items()},
    )


def read_plain(completions: Sequence[str]) -> Readings:
    """Return the readings of completions of which no chain was asked for.

    The response is all but the reasoning (see `gtalign.chain.reasoning`), which counts as what
    precedes it. Where reasoning, or the call of a tool, is all there is, there is no response: the
    answer is ``unanswered``.
    """
    count = len(completions)
    spans: list[tuple[int, int]] = []
    responses: list[str] = []
    before_N = np.zeros(count, np.intp)
    missing: dict[int, str] = {}
    for row, text in enumerate(completions):
        parts = shown(text) or [(len(text), len(text))]
        before_N[row] = parts[0][0]
        spans.append(_stripped(text, parts[0][0], parts[-1][1]))
        if len(parts) == 1:
            responses.append(text[slice(*spans[-1])])
        else:
            responses.append("".join(text[slice(*part)] for part in parts).strip())
        # Most responses begin with neither a tag nor a bracket, and are not looked at again.
        if responses[-1][:1] in ("", "<", "[") and (why := unanswered(text)) is not None:
            missing[row] = why
    return Readings(
        texts=completions,
        chains=None,
        responses=responses,
        spans_N2=np.array(spans, np.intp).reshape(count, 2),
        before_N=before_N,
        well_formed_N=np.ones(count, np.bool_),
        payoffs_Nn2=None,
        errors={},
        unanswered=missing,
    )


def read_as_released(chains: Chains, needs_analyze: bool) -> Readings:
    """Read completions as the released code does; see `read_released`.

    Args:
        chains: The completions, as our parser reads them.
        needs_analyze: The evaluation code also asks for an ``<analyze>`` block.
    """
    ours = read_chains(chains)
    responses, errors = list(ours.responses), dict(ours.errors)
    before_N, well_formed_N, spans_N2 = ours.before_N, ours.well_formed_N, ours.spans_N2.copy()
    payoffs_Nn2 = chains.payoffs_Nmn2.reshape(len(chains), len(chains.form.cells), 2).copy()
    for row, text in enumerate(chains.texts):
        if row not in chains.errors and row not in chains.parsed:
            # Without fault: both read it alike, but for the whitespace around it.
            end = int(spans_N2[row, 1]) + len(CLOSING)
            ends = end == len(text) or text[end] == "\n"
            well_formed_N[row] = ends and text.startswith("<thinking>")
            continue
        try:
            found = read_released(text, chains.form, needs_analyze)
        except ChainError as refused:
            responses[row] = None
            errors.setdefault(row, str(refused))
            continue
        responses[row] = found.response
        spans_N2[row], payoffs_Nn2[row] = found.span, found.payoffs_n2
        before_N[row], well_formed_N[row] = found.before, found.well_formed
    return Readings(
        texts=chains.texts,
        chains=chains,
        responses=responses,
        spans_N2=spans_N2,
        before_N=before_N,
        well_formed_N=well_formed_N,
        payoffs_Nn2=payoffs_Nn2,
        errors=errors,
    )


def read_released(completion: str, form: GameForm, needs_analyze: bool) -> Reading:
    """Read a completion as the released code does.

    It looks for the first ``<payoff>`` and ``<response>`` block anywhere, reads all quotes as
    double ones and checks only that each cell has two numbers. NaN, infinities, booleans, duplicate
    keys, any range, an empty response and text around the blocks all pass. The format is kept
    (F = 1) if the text begins with the four blocks in order and the last tag ends a line.

    Args:
        completion: The whole completion.
        form: The game whose cells the payoff must name.
        needs_analyze: The evaluation code also asks for an ``<analyze>`` block.

    Raises:
        ChainError: There is no such block, or the matrix cannot be read.
    """
    payoff, (start, end) = slice(*_block(completion, "payoff")), _block(completion, "response")
    if needs_analyze:
        _block(completion, "analyze")
    span = _stripped(completion, start, end)
    return Reading(
        response=completion[slice(*span)],
        span=span,
        before=start - len(OPENING),
        well_formed=_keeps_format(completion),
        payoffs_n2=_read_payoffs(completion[payoff], form, completion.index("<payoff>")),
    )


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a text without the whitespace at its ends."""
    inside = text[start:end].lstrip()
    start = end - len(inside)
    return start, start + len(inside.rstrip())


def _block(text: str, name: str) -> tuple[int, int]:
    """Return the span of a block's content: from the first opening tag to the next closing one."""
    start = text.find(f"<{name}>")
    end = text.find(f"</{name}>", start) if start >= 0 else -1
    if end < 0:
        raise ChainError("missing-block", max(start, 0), f"there is no <{name}> block")
    return start + len(name) + 2, end


# The seams of the released pattern, which is `<thinking>.*?</thinking>\s*<payoff>.*?` up to
# `</response>$`, anchored at the beginning of the text and at the end of a line. Searching for each
# after the one before it takes linear time; the whole pattern would not.
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
