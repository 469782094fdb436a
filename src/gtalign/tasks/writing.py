"""Writing: likeness to a reference text, and a judge's opinion from 0 to 4."""

import re
import unicodedata
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Literal

from gtalign.tasks.question import Question
from gtalign.tasks.spelling import plainly
from gtalign.tasks.task import Quality, Task

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

TOP = 4.0
"""The judge's best score."""

ORDER = 4
"""Longest run of characters that BLEU over characters counts."""


Tokenizer = Literal["13a", "char"]
"""Tokenizers of sacrebleu: words, or characters."""

_PAIRED = re.compile(r"'(?:'+|(?![^\W_])|(?<![^\W_]'))")
"""An apostrophe that is a quotation mark, or two of them, as TeX writes one."""

_CORNERS = str.maketrans(
    {
        **dict.fromkeys("\u300c\u300d\u300e\u300f", '"'),
        "\u3001": ",",
        "\u3002": ".",
    }
)
"""Quotation marks, commas and full stops of Chinese and Japanese."""
_CORNERED = re.compile("[\u3001\u3002\u300c-\u300f]")

_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u19e0-\u19ff\u1a20-\u1aaf"
    "\u1b00-\u1b7f\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua980-\ua9df\ua9e0-\ua9ff\uaa60-\uaadf\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff]"
)
"""Letters that are written without spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Tai,
Balinese, Javanese, Chinese, Japanese."""


@cache
def _word_metric(tokenizer: Tokenizer) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU  # of the extra `judge`; only writing needs it

    return BLEU(effective_order=True, tokenize=tokenizer)


def tokenizer_of(reference: str) -> Tokenizer:
    """Return the tokenizer for a reference, by its script.

    It is ``char`` where most letters are of a script without spaces between words (Chinese,
    Japanese, Thai, Lao, Khmer, Burmese, Tibetan, Javanese and their like), else ``13a``.
    """
    if reference.isascii():
        return "13a"
    unspaced = len(_UNSPACED.findall(reference))
    return "char" if 2 * unspaced > sum(map(str.isalpha, reference)) else "13a"


def word_bleu(text: str, reference: str) -> float:
    """Return the BLEU of one text over words, in [0, 1].

    Words are those of sacrebleu's ``13a`` tokenizer; where the reference is written without spaces
    between words (see `tokenizer_of`), every character is one. Both texts are compared in Unicode's
    form NFKC, without invisible characters, with one form of apostrophe and one of quotation mark,
    be it single or double. Case counts, orders of n-grams up to 4 that have
    no match are smoothed exponentially, and a text of fewer than four words is graded by the orders
    that it has: sacrebleu's sentence BLEU.

    Args:
        text: The text to grade.
        reference: The text to compare it with.
    """
    metric = _word_metric(tokenizer_of(reference))
    score: float = metric.sentence_score(_one_form(text), [_one_form(reference)]).score
    return min(score / 100, 1.0)


def _one_form(text: str) -> str:
    """A text in one form of letters with marks, of quotes, of apostrophes and of width."""
    text = plainly(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = text if _CORNERED.search(text) is None else text.translate(_CORNERS)
    return _PAIRED.sub('"', text)


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
    """Take the better of likeness and opinion, max(word BLEU, judge / 4), for both sides.

    Without a reference there is no likeness, and the opinion stands.
    """
    best = score / TOP
    if question.referenced:
        best = max(word_bleu(response, question.ground_truth), best)
    return Quality(user=best, llm=best, reported=best)


def _released(question: Question, response: str, score: float) -> Quality:
    """Give the user the character BLEU and the LLM the judge / 4; report the larger.

    Without a reference the quality to the user is unknown, NaN.
    """
    if not question.referenced:
        return Quality(user=nan, llm=score / TOP, reported=nan)
    bleu = character_bleu(response, question.ground_truth)
    return Quality(user=bleu, llm=score / TOP, reported=max(bleu, score / TOP))


WRITING = Task("writing", top=TOP, paper=_paper, released=_released)
"""Quality from the BLEU against the reference text and a judge's 0..4."""
