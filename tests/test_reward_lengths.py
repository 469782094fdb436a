"""Words of spans, counted all at once."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.models import count_words
from gtalign.reward import lengths
from gtalign.reward.lengths import words_in_spans

SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
MIXED = st.sampled_from([*SPACES, "a", "b", "é", "\u200b", "\U0001f600", "\ud800"])
TEXT = st.text(MIXED) | st.text(st.sampled_from(" \t\n\x1c\x1fab."))


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, list[list[int]]]]:
    spans = draw(st.integers(0, 3))
    texts = draw(st.lists(TEXT, max_size=5))
    places = [st.lists(st.integers(0, len(t)), min_size=2, max_size=2).map(sorted) for t in texts]
    return [
        (text, draw(st.lists(place, min_size=spans, max_size=spans)))
        for text, place in zip(texts, places, strict=True)
    ]


@given(batches(), st.sampled_from([1, 5, 1 << 16]))
def test_words_are_those_that_split_finds(
    batch: list[tuple[str, list[list[int]]]], block: int
) -> None:
    texts = [text for text, _ in batch]
    each = len(batch[0][1]) if batch else 1
    spans_NK2 = np.array([spans for _, spans in batch], np.intp).reshape(len(texts), each, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lengths, "_BLOCK", block)
        found = words_in_spans(texts, spans_NK2)
    assert found.tolist() == [
        [count_words(text[start:end]) for start, end in spans] for text, spans in batch
    ]


def test_the_last_space_is_known() -> None:
    assert max(SPACES) == chr(lengths._LAST)
