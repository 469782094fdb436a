"""Writing: likeness to a reference text, and a judge's opinion from 0 to 4."""

from functools import cache
from typing import TYPE_CHECKING

from gtalign.tasks.question import Question
from gtalign.tasks.task import Quality, Task

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

TOP = 4.0
"""The judge's best score."""

ORDER = 4
"""Longest run of characters that BLEU over characters counts."""


@cache
def _word_metric() -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU  # of the extra `judge`; only writing needs it

    return BLEU(effective_order=True)


def word_bleu(text: str, reference: str) -> float:
    """Return the BLEU of one text over words, in [0, 1].

    Words are those of sacrebleu's ``13a`` tokenizer, case counts, orders of n-grams up to 4 that
    have no match are smoothed exponentially, and a text of fewer than four words is graded by the
    orders that it has: sacrebleu's sentence BLEU.

    Args:
        text: The text to grade.
        reference: The text to compare it with.
    """
    score: float = _word_metric().sentence_score(text, [reference]).score
    return min(score / 100, 1.0)


def character_bleu(text: str, reference: str) -> float:
    """Return BLEU-4 over characters, without smoothing, in [0, 1].

    Every character counts as one word, whitespace included. The score is 0 unless text and
    reference share a run of four characters.

    Args:
        text: The text to grade.
        reference: The text to compare it with.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    found, wanted = (extract_all_char_ngrams(side, ORDER, True) for side in (text, reference))
    shared = [
        sum(min(times, target[run]) for run, times in runs.items() if run in target)
        for runs, target in zip(found, wanted, strict=True)
    ]
    totals = [max(len(text) - order, 0) for order in range(ORDER)]
    score: float = BLEU.compute_bleu(shared, totals, len(text), len(reference)).score
    # A rounding error can lift identical texts above 1.
    return min(score / 100, 1.0)


def _paper(question: Question, response: str, score: float) -> Quality:
    """Take the better of likeness and opinion, max(word BLEU, judge / 4), for both sides."""
    best = max(word_bleu(response, question.ground_truth), score / TOP)
    return Quality(user=best, llm=best, reported=best)


def _released(question: Question, response: str, score: float) -> Quality:
    """Give the user the character BLEU and the LLM the judge / 4; report the larger."""
    bleu = character_bleu(response, question.ground_truth)
    return Quality(user=bleu, llm=score / TOP, reported=max(bleu, score / TOP))


WRITING = Task("writing", top=TOP, paper=_paper, released=_released)
"""Quality from the BLEU against the reference text and a judge's 0..4."""
