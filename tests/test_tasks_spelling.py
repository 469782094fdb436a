"""One spelling for rules: nothing invisible, punctuation in ASCII, no marks around words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.tasks.spelling import INVISIBLE, plainly, unmarked, untagged, visible


@pytest.mark.parametrize(
    "hidden",
    "\u00ad\u200b\u200c\u2060\ufeff\u200f\u202a\u2066\ufe0f\u034f\u180e\u3164\x00\x7f\x9f\U000e0041",
)
def test_invisible_characters_go(hidden: str) -> None:
    assert visible(f"ca{hidden}n\u2019t\n") == "can\u2019t\n"
    assert plainly(f"{hidden}ca{hidden}{hidden}n\u2019t") == "can't"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("it\u02bcs \u2018so\u2019 \u2039so\u203a `so\u00b4", "it's 'so' 'so' 'so'"),
        ("\u201eso\u201c \u00abso\u00bb \u301dso\u301e \uff02", '"so" "so" "so" "'),
        ("a\u00a0b\u2009c\u202fd\u3000e", "a b c d e"),
        ("well\u2011known", "well-known"),
        ("so\u2026", "so..."),
        ("one\u2028two\x85three", "one\ntwo\nthree"),
        ("cafe\u0301", "caf\u00e9"),
        ("10 \u2013 12 \u2014 so\u3002", "10 \u2013 12 \u2014 so\u3002"),
        ("a\tb\r\nc", "a\tb\r\nc"),
    ],
)
def test_punctuation_is_that_of_ascii(text: str, plain: str) -> None:
    assert plainly(text) == plain
    assert plainly(plain) == plain


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("I **can't** do _that_", "I can't do that"),
        ("I ***can't***, ~~sorry~~", "I can't, sorry"),
        ('I <b>can&#39;t</b> do <em class="x">that</em><br/>', "I can't do that"),
        ("can&rsquo;t&nbsp;&amp; won&apos;t", "can\u2019t\u00a0& won't"),
        (r"I can\'t, I \*won't\*", "I can't, I won't"),
        ("snake_case and __init__", "snake_case and init"),
        ("a < b and b > c, List<int>", "a < b and b > c, List<int>"),
        ("R&D; AT&T &unknown;", "R&D; AT&T &unknown;"),
        ("# Title\n- one\n> two `three`", "# Title\n- one\n> two `three`"),
    ],
)
def test_marks_around_words_go(text: str, bare: str) -> None:
    assert unmarked(text) == bare


def test_tags_go_and_other_marks_stay() -> None:
    assert untagged("<b>x_1</b> * 2 &lt; a<b>c <answer>") == "x_1 * 2 < ac <answer>"
    assert untagged("a <b and c> d") == "a <b and c> d"


@given(st.text())
def test_any_text_is_brought_into_one_form(text: str) -> None:
    plain = plainly(text)
    assert INVISIBLE.search(plain) is None
    assert plainly(plain) == plain == unicodedata.normalize("NFC", plain)
    assert INVISIBLE.search(visible(text)) is None
    assert len(unmarked(text)) <= len(text)
