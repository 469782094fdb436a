"""Summaries of many chains that the report draws: tokens by block, and stated against true payoffs.

Both read chains that parsed; they need no judge.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gtalign.chain import BLOCKS
from gtalign.evaluation.metrics import payoff_numbers
from gtalign.transcripts.transcript import Transcript

TAGS = "tags"
Curve = list[tuple[float, float]]


def block_tokens(transcripts: Sequence[Transcript]) -> dict[str, float]:
    """Mean tokens of each block, and of the tags, over the answers that could be read.

    Returns:
        Block name -> tokens, in the order of the chain; empty if no answer could be read. Plain
        answers have the block `response` alone.
    """
    read = [t.tokens for t in transcripts if "response" in t.tokens and "total" in t.tokens]
    if not read:
        return {}
    means = {
        name: float(np.mean([tokens.get(name, 0) for tokens in read]))
        for name in BLOCKS
        if any(name in tokens for tokens in read)
    }
    rest = float(np.mean([tokens["total"] for tokens in read])) - sum(means.values())
    return means | ({TAGS: rest} if rest > 0.05 else {})


def calibration(transcripts: Sequence[Transcript], least: int = 10) -> tuple[Curve, Curve]:
    """Mean true payoff at each stated payoff, rounded to whole numbers.

    Args:
        transcripts: The transcripts; those with a chain and `extra["true_payoff"]` count.
        least: Least number of payoffs at a point; other points are left out.

    Returns:
        The curve of the user's payoffs and that of the LLM's.
    """
    pairs = [
        (payoff_numbers(t.chain["payoff"]), payoff_numbers(true))
        for t in transcripts
        if t.chain is not None
        and isinstance(true := t.extra.get("true_payoff"), Mapping)
        and true.keys() == t.chain["payoff"].keys()
    ]
    if not pairs:
        return [], []
    stated_nc2 = np.stack([stated for stated, _ in pairs]).reshape(-1, 2)
    true_nc2 = np.stack([true for _, true in pairs]).reshape(-1, 2)
    user, llm = (_binned(stated_nc2[:, i], true_nc2[:, i], least) for i in (0, 1))
    return user, llm


def _binned(
    stated: np.ndarray[tuple[int], np.dtype[np.float64]],
    true: np.ndarray[tuple[int], np.dtype[np.float64]],
    least: int,
) -> Curve:
    whole = np.rint(stated)
    return [
        (float(value), float(true[whole == value].mean()))
        for value in np.unique(whole)
        if np.count_nonzero(whole == value) >= least
    ]
