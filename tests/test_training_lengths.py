"""Examples that are longer than a model is trained on."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.errors import DataError
from gtalign.models.chat import Lesson
from gtalign.training import SFTSettings
from gtalign.training.lengths import keep_whole

DROP, CUT = (SFTSettings(max_length=10, too_long=way) for way in ("drop", "cut"))


def keep(lengths: list[int], settings: SFTSettings = DROP) -> list[int]:
    lessons = [Lesson([0] * length, 0, "") for length in lengths]
    kept = keep_whole(lessons, [f"q{n}" for n in range(len(lengths))], settings)
    return [len(lesson.ids) for lesson in kept]


def test_what_fits_is_kept_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert keep([1, 10, 2]) == [1, 10, 2]
    assert caplog.records == []


def test_what_is_too_long_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert keep([1, 11, 10, 14, 12]) == [1, 10]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "3 of 5 examples are longer than sft.max_length = 10 tokens and are left out (the longest,"
        " q3, has 14): q1, q3, q4"
    )


def test_only_the_first_are_named(caplog: pytest.LogCaptureFixture) -> None:
    keep([1, *[11] * 8])
    assert caplog.records[0].getMessage().endswith(": q1, q2, q3, q4, q5 and 3 more")


def test_they_are_cut_on_demand_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert keep([1, 11], CUT) == [1, 11]
    assert keep([11], CUT) == [11]
    assert "are cut: they lose the end of their response" in caplog.records[0].getMessage()


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"all 2 examples .*\(the longest, q1, has 12\); raise it"):
        keep([11, 12])


@given(st.lists(st.integers(1, 20), min_size=1))
def test_none_that_is_kept_would_be_cut(lengths: list[int]) -> None:
    if min(lengths) > 10:
        with pytest.raises(DataError):
            keep(lengths)
    else:
        assert keep(lengths) == [length for length in lengths if length <= 10]
    assert keep(lengths, CUT) == lengths
