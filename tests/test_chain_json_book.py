"""Several things in a row, as rules."""

import pytest
import xgrammar

from grammars import accepts
from gtalign.chain.json_book import RuleBook, quoted, times
from gtalign.errors import DataError


@pytest.mark.parametrize(
    ("low", "high"), [(0, None), (1, None), (501, None), (0, 1200), (700, 1700)]
)
def test_a_part_is_repeated_so_often(low: int, high: int | None) -> None:
    read = xgrammar.Grammar.from_ebnf(f"root ::= {times('[a]', low, high)}")
    for count in {0, 1, max(low - 1, 0), low, low + 1, high or 2000, (high or 2000) + 1}:
        right = low <= count and (high is None or count <= high)
        assert accepts(read, "a" * count) is right, count


def test_parts_are_chosen_in_their_order() -> None:
    book = RuleBook("r")
    parts = ['"a"', '"b"', '"c"', '"d"']
    body = book.some(parts, [False, True, False, False], 2, 3, "here")
    rules = {"root": body, **book.rules, "json-s": '""'}
    read = xgrammar.Grammar.from_ebnf("".join(f"{n} ::= {b}\n" for n, b in rules.items()))
    for bits in range(16):
        chosen = [letter for at, letter in enumerate("abcd") if bits >> at & 1]
        right = "b" in chosen and 2 <= len(chosen) <= 3
        assert accepts(read, ",".join(chosen)) is right, chosen
    with pytest.raises(DataError, match="here"):
        book.some(parts, [False] * 4, 5, None, "here")


def test_a_book_has_an_end() -> None:
    book = RuleBook("r")
    assert book.rule('"a"') == "r-0"
    with pytest.raises(DataError, match="rules"):
        book.add({f"x{n}": '"a"' for n in range(3000)})


def test_literals_are_quoted() -> None:
    assert quoted('a"\\{2}') == '"a\\"\\\\{2}"'
    assert quoted("\n\x7f€") == '"\\u000A\\u007F€"'
