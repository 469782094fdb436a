"""Strings with patterns and formats: derived from the rules, and read by who knows the format."""

import datetime
import ipaddress
import json
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import xgrammar

from grammars import Texts, accepts
from gtalign.chain.automaton import Budget, automaton
from gtalign.chain.json_strings import FORMATS, automaton_rules, matching
from gtalign.chain.regex import ANY, Edge, Repeat, Sequence, read_regex
from gtalign.errors import DataError

READERS: dict[str, Callable[[str], Any]] = {
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "date-time": datetime.datetime.fromisoformat,
    "ipv4": ipaddress.IPv4Address,
    **dict.fromkeys(("uuid", "uuid1", "uuid3", "uuid4", "uuid5"), uuid.UUID),
}
PATTERNS = [
    *(
        "^[A-Z]{3}-\\d{4}$",
        "\\d+",
        "^a*$",
        '"',
        "\\\\",
        "<",
        "^[^a]$",
        "[\\s\\S]",
        ".",
        "^\\s$",
        "^$",
    ),
    *("^(?=.*[a-z])(?=.*[A-Z])(?=.*\\d).{8,}$", "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"),
    *(
        "^[\\w-\\.]+@([\\w-]+\\.)+[\\w-]{2,4}$",
        "^https?://[^\\s/$.?#].[^\\s]*$",
        "^(\\+\\d{1,3} )?\\d+$",
    ),
    *(
        "^[\\x00-\\x1f]+$",
        "[\\u20ac\\u{}]".replace("\\u{}", ""),
        "\\S{3}",
        "^\\W+$",
        "^\\D+$",
        "(ab)+c?",
    ),
    *(
        "^P(?:(\\d+W)|(?!.*W)(?=\\d|T\\d)(\\d+Y)?(T(?=\\d)(\\d+H)?(\\d+M)?)?)$",
        "^[-\\]^[]+$",
        "é|ü",
    ),
]


def rules(pattern: str) -> dict[str, str]:
    return automaton_rules(automaton([read_regex(pattern)], Budget()), "s")


def texts(pattern: str, count: int = 40) -> list[str]:
    """Texts of its grammar, which a second engine also reads."""
    found, draw = rules(pattern), random.Random(0)
    text = "".join(f"{name} ::= {body}\n" for name, body in found.items())
    grammar = xgrammar.Grammar.from_ebnf(text, root_rule_name="s")
    drawn = [Texts(found).draw("s", draw) for _ in range(count)]
    assert all(accepts(grammar, one) for one in drawn)
    assert not any("<" in one for one in drawn)
    return [json.loads(one) for one in drawn]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_strings_match_their_pattern(pattern: str) -> None:
    known = pattern.replace("[\\w-", "[\\w\\-").replace("^[]", "^\\[]")
    assert all(re.search(known, text) for text in texts(pattern.replace("^[]", "^\\[]")))


@pytest.mark.parametrize("name", FORMATS)
def test_strings_have_their_format(name: str) -> None:
    for text in texts(FORMATS[name], 80):
        assert re.search(FORMATS[name], text)
        read = READERS.get(name)
        if read is not None:
            read(text)
        if name[4:].isdigit() and name.startswith("uuid"):
            assert uuid.UUID(text).version == int(name[4:])


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date", "2024-02-29 1900-02-28 0001-12-31", "1900-02-29 2023-02-29 0000-01-01 2024-04-31"),
        ("time", "10:00:00Z 23:59:59.25+02:00", "24:00:00Z 10:00 10:00:00"),
        ("date-time", "2024-02-29T10:00:00Z", "2023-02-29T10:00:00Z 2024-02-29"),
        ("duration", "P1D P1Y2M3DT4H5M6S PT1M P2W", "P PT P1DT P1Y1D 1D"),
        ("email", "a.b+c@x-y.example.org", "a@b .a@b.org a@-b.org a..b@c.org"),
        ("ipv4", "0.0.0.0 255.199.10.9", "256.1.1.1 01.1.1.1 1.1.1"),
        ("uri", "https://a.org/b?c=d#e mailto:a@b urn:x:y", "a.org //a https: a:b#c#d"),
        ("uuid4", "00000000-0000-4000-8000-00000000000a", "00000000-0000-1000-8000-000000000000"),
    ],
)
def test_formats(name: str, right: str, wrong: str) -> None:
    read = automaton([read_regex(FORMATS[name])], Budget())
    assert all(read.accepts(text) for text in right.split())
    assert not any(read.accepts(text) for text in wrong.split())


def test_a_straight_pattern_is_one_rule() -> None:
    assert rules(r'^ab\d{3}[A-F]+"$') == {"s": '"\\"ab" [0-9]{3} [A-F]+ ("\\\\" "\\"") "\\""'}


def test_a_limit_of_the_length_is_a_count() -> None:
    length = Sequence((Edge(True), Repeat(ANY, 2, 1200), Edge(False)))
    read = automaton([read_regex("^[A-Z]"), length], Budget())
    found = automaton_rules(read, "s")
    assert list(found) == ["s"] and "{0,498}" not in found["s"] and "{0,198}" in found["s"]
    grammar = xgrammar.Grammar.from_ebnf(f"s ::= {found['s']}", root_rule_name="s")
    for count, right in ((0, False), (1, True), (700, True), (1199, True), (1200, False)):
        assert accepts(grammar, f'"A{"b" * count}"') is right
        assert read.accepts("A" + "b" * count) is right


def test_the_same_patterns_have_the_same_rules() -> None:
    found = matching(("^[ab]+$", "b$"), 2, 9)
    assert found.name in found.rules and found.steps > 0
    assert matching(("^[ab]+$", "b$"), 2, 9) is found
    assert matching(("^[ab]+$", "b$"), 2, 8).rules.keys().isdisjoint(found.rules)
    with pytest.raises(DataError, match="no text"):
        matching(("^a{3}$",), 5)
    assert matching(("\ud800|a",)).rules
