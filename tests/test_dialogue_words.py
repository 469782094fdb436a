"""Which response holds an answer, and which text can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.dialogue.words import holds, states, terms_of, unreadable, words_of


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("1,300,000", "It has 1,300,000 inhabitants."),
        ("1,300,000", "It has 1300000 inhabitants."),
        ("1300000", "It has 1\u202f300\u202f000 inhabitants."),
        ("-5", "It is **-5**."),
        ("\u22125", "x = -5"),
        ("+5", "It is 5."),
        ("5", "It is +5!"),
        ("-$5", "You lose $-5."),
        (".5", "0.5 of them"),
        ("5", "2+5"),
        ("5", "5% of them, or $5"),
        ("5 %", "It is 5%."),
        ("3, 4", "The roots are 3, 4."),
        ("C++", "Use C++."),
        ("c#", "Use C# here"),
        (".NET", "Use .net!"),
        ("A-", "An A- or better"),
        ("AT&T", "It was AT & T."),
        ("Joe Quimby", "It is *Joe* \u201cQuimby\u201d"),
        ("2016-17", "the season 2016\u201317"),
        ("cafe\u0301", "the Caf\u00e9"),
        ("no, never", "No. Never!"),
        ("Hastings", "...Hastings"),
        ("Hastings", "It is not Hastings."),  # the rule does not read
        ("no", "I have no idea."),
    ],
)
def test_a_response_holds_an_answer(answer: str, response: str) -> None:
    assert states(answer, response) == 1.0


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ("1,300,000", "I found 1 town, with 900 people."),
        ("1", "It has 1,300,000."),
        ("300", "It has 1,300,000."),
        ("-5", "It is 5."),
        ("5", "It is -5."),
        ("5", "It is \u22125."),
        ("$5", "You lose -$5."),
        ("5", "It is 1.5."),
        ("5", "It costs .5 of that"),
        ("1", "It is 1.5."),
        ("3", "It is 3/4."),
        ("9", "At 9:00"),
        ("3", "It is 3,5"),
        ("10", "10^5"),
        ("5", "the 5th"),
        ("3, 4", "The roots are 3 and 9."),
        ("14, 15", "It is 14."),
        ("C++", "Use C."),
        ("C", "Use C++."),
        ("C", "Use C#."),
        ("C++", "Use C#."),
        ("A", "A- or A+"),
        ("NET", "Use .NET"),
        ("@ann", "It is Ann."),
        ("5%", "It is 5."),
        ("$100", "100 euros"),
        ("<5", "It is 5."),
        ("no, never", "There is no data."),
        ("May 21, 2002", "It was on May 21, 1990."),
        ("Ann Bo, Cy Do", "It was Ann Bo."),
        ("12", "It took 120 minutes."),
        ("Hastings", ""),
        ("", "Hastings"),
        ("!!!", "What!!!"),
    ],
)
def test_no_other_number_or_name_is_taken_for_it(answer: str, response: str) -> None:
    assert states(answer, response) == 0.0


@given(st.text(), st.text(), st.text())
def test_a_text_holds_itself_between_any_sentences(before: str, answer: str, after: str) -> None:
    response = f"{before}\n{answer}\n{after}"
    assert states(answer, response) == float(bool(terms_of(answer)))
    assert holds(response, answer) == bool(words_of(answer))


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_numbers_are_equal_or_not_however_they_are_written(one: int, other: int) -> None:
    for a in (f"{one}", f"{one:,}", f"{one:+}"):
        for b in (f"{other}", f"{other:,}", f"{other:+,}"):
            assert states(a, f"It is {b}.") == float(one == other)


@pytest.mark.parametrize("text", ["a", "?", "\U0001f44d", " \x00 5", "\u06f3", "\u3042"])
def test_what_can_be_seen_can_be_read(text: str) -> None:
    assert unreadable(text) is None


@pytest.mark.parametrize("text", ["", " \t\n", "\x00", "\u200b\ufeff", "\u2028", "\x1b\x07"])
def test_what_cannot_be_seen_is_empty(text: str) -> None:
    assert unreadable(text) == "is empty"


@pytest.mark.parametrize("text", ["\ud800", "a \udfff", "\udc00\ud800"])
def test_half_a_character_cannot_be_read(text: str) -> None:
    assert "lone surrogate" in (unreadable(text) or "")
