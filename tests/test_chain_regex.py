"""Regular expressions of schemas: what is read, and what their readers do not agree on."""

import re
import unicodedata

import pytest

from gtalign.chain.automaton import Budget, automaton
from gtalign.chain.regex import Set, complement, read_regex, union
from gtalign.errors import DataError

WORDS = (
    "",
    "a",
    "b",
    "aab",
    "x-1",
    "A_9",
    "a b",
    "ü",
    "٣",
    "{2}",
    "a{",
    "]",
    "\t",
    "\n",
    "€",
    "\\",
)


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "a", "^a", "a$", "^$", "a|b", "(a|)b", "(?:a|b)+", "(?P<n>a)", "(?<n>b)$", "a{2}"),
        *("a{1,}", "^a{1,2}b", "a*?b", "a+?", "a??b", "[ab]", "[^ab]", "[a-c]", "[-a]", "[a-]"),
        *(r"[\w-]$", r"^[\w-.]+$", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"^[^\s]+$", "^.$"),
        *(r"\.", r"\{", r"\x41", r"\u00fc", r"\t", r"[\b]", "{", "a{", "]", "^a|b$", "(^a)|(b$)"),
        *(
            "(?=a)",
            "^(?=.*b)a",
            "^(?!.*b)",
            "a(?!b)",
            "^((?=a)a|b)$",
            r"\\",
            "a(?=$)",
            "$^",
            "x(y|$)",
        ),
        *(r"[\n]$", r"^[^\d]$", "(?!b$)a", "^(?!a$)", r"^(?![\s\S]*\d)"),
    ],
)
def test_what_is_accepted_matches_in_python_too(pattern: str) -> None:
    read = automaton([read_regex(pattern)], Budget())
    known = pattern.replace("(?<", "(?P<").replace(r"[\w-.]", r"[\w\-.]")
    for word in WORDS:
        accepted, matches = read.accepts(word), bool(re.search(known, word))
        assert not accepted or matches, word
        if word.isascii() and not word.endswith("\n"):  # elsewhere the readers differ
            assert accepted == matches, word


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        *((r"(?<=a)b", r"'\?<='"), (r"(a)\1", "1"), (r"\bword", "b"), (r"\p{L}", "p")),
        *(("(?i)a", "group"), ("a++", "repeated"), ("a**", "repeated"), ("*a", "nothing")),
        *(("(a", "not closed"), ("a)", "closes nothing"), ("[a", "not closed"), ("[]a]", "']'")),
        *(
            ("[^]", "']'"),
            ("[[a]", "class"),
            ("[a&&b]", "class"),
            ("a{,3}", "such"),
            ("a{3,2}", "fewer"),
        ),
        *(
            (r"\Z", "Z"),
            ("\\", "at character"),
            ("[b-a]", "before"),
            ("^*", "edge"),
            ("(?=a)*", "edge"),
        ),
        *(
            (r"\ud83d", "half"),
            ("a{99999}", "such"),
            ("(" * 41 + ")" * 41, "deep"),
            ("a{2}{3}", "repeat"),
        ),
        *((r"\x4", "x"), ("a" * 5000, "more than"), ("(?>a)", "group"), ("[--b]", "class")),
    ],
)
def test_what_readers_do_not_share_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        read_regex(pattern)


def test_a_refusal_names_the_character() -> None:
    with pytest.raises(DataError, match="at character 4"):
        read_regex(r"ab(?<=a)")


@pytest.mark.parametrize(("sign", "known"), [("d", r"\d"), ("w", r"\w"), ("s", r"\s")])
def test_a_class_is_sure_of_what_every_reader_takes(sign: str, known: str) -> None:
    found = read_regex(f"\\{sign}")
    assert isinstance(found, Set)
    takes = re.compile(known)
    for low, high in found.sure:
        assert all(takes.match(chr(code)) for code in range(low, high + 1))
    for low, high in complement(found.possible):  # which other readers do not take either
        for code in range(low, high + 1):
            assert not takes.match(chr(code)), hex(code)
            kind = unicodedata.category(chr(code))
            assert sign != "w" or (kind[0] not in "LMN" and kind != "Pc"), hex(code)
            assert sign != "d" or kind != "Nd", hex(code)


def test_ranges() -> None:
    assert union(((5, 6), (1, 2), (3, 3))) == ((1, 3), (5, 6))
    assert complement(complement(((1, 3), (5, 6)))) == ((1, 3), (5, 6))
    assert complement(()) == ((0, 0x10FFFF),)
    assert complement(((0, 0x10FFFF),)) == ()
