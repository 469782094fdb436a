"""The strict parser: what it takes, and which rule it reports where."""

import contextlib
import importlib
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import (
    PAYOFF,
    THREE_BY_TWO,
    VALID,
    games,
    hostile_repetitions,
    mutated,
    texts,
    valid,
)
from gtalign.chain import BLOCKS, FORMAT_RULES, parse, render
from gtalign.chain.blocks import layout
from gtalign.chain.payoff import PayoffReader
from gtalign.errors import ChainError, PayoffError
from gtalign.game import USER_LLM, Bimatrix

parsing = importlib.import_module("gtalign.chain.parse")  # the package's name for it is `parse`


def broken(text: str, **options: Any) -> tuple[str, int]:
    with pytest.raises(ChainError) as caught:
        parse(text, **options)
    assert caught.value.rule in FORMAT_RULES
    return caught.value.rule, caught.value.position


def test_the_blocks_are_read_and_located() -> None:
    text = f"\n {VALID}\n".replace("What is", "  What\nis")
    chain = parse(text)
    assert chain.thinking == "What\nis meant?"
    assert chain.payoff == PAYOFF
    assert chain.analyze == "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ."
    assert chain.response == "Which one?"
    assert chain.repairs == ()
    assert list(chain.spans) == list(BLOCKS)
    start, end = chain.spans["thinking"]
    assert text[start:end] == "  What\nis meant?"
    assert json.loads(text[slice(*chain.spans["payoff"])]) == PAYOFF.to_json()


def test_a_chain_is_a_value() -> None:
    chain = parse(VALID)
    assert chain == parse(VALID)
    assert hash(chain) == hash(parse(VALID))
    assert pickle.loads(pickle.dumps(chain)) == chain
    assert chain.to_json() == {
        "thinking": "What is meant?",
        "payoff": PAYOFF.to_json(),
        "analyze": "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.",
        "response": "Which one?",
    }


@given(texts(), games(), texts(), texts())
def test_rendered_blocks_are_read_back(
    thinking: str, payoff: Bimatrix, analyze: str, response: str
) -> None:
    chain = parse(render(thinking, payoff, analyze, response + "."))
    assert chain.thinking == thinking.strip()
    assert chain.payoff == payoff
    assert chain.analyze == analyze.strip()
    assert chain.response == (response + ".").strip()
    assert parse(chain.render()).to_json() == chain.to_json()


@given(valid(THREE_BY_TWO))
@settings(max_examples=20)
def test_another_form_has_its_own_keys(text: str) -> None:
    assert parse(text, THREE_BY_TWO).payoff.form == THREE_BY_TWO
    assert broken(text)[0] == "payoff-key"


@pytest.mark.parametrize(
    ("text", "rule", "position"),
    [
        ("", "missing", 0),
        ("  ", "missing", 2),
        ("Sure!" + VALID, "text-before", 0),
        ("<thin", "text-before", 0),
        (" <Thinking>", "text-before", 1),
        (VALID.replace("\n<payoff>", "\nso <payoff>"), "text-between", VALID.index("<payoff>")),
        (VALID + "\nbye", "text-after", len(VALID) + 1),
        (VALID + VALID, "text-after", len(VALID)),
        (VALID + "</response>", "text-after", len(VALID)),
        ("</thinking>", "order", 0),
        (" <payoff></payoff>", "order", 1),
        ("<thinking></thinking><thinking></thinking>", "duplicate", 21),
        ("<thinking></thinking></thinking>", "duplicate", 21),
        ("<thinking></thinking><analyze>", "order", 21),
        ("<thinking></thinking>", "missing", 21),
        (" <thinking>", "unclosed", 1),
        (VALID[:-1], "unclosed", VALID.index("<response>")),
        ("<thinking><thinking></thinking></thinking>", "nested", 10),
        (VALID.replace("Which", "</analyze>Which"), "nested", VALID.index("Which")),
        (VALID.replace("What", "<payoff>{}</payoff>"), "nested", VALID.index("What")),
        (VALID.replace("Which one?", ""), "empty-response", VALID.index("Which")),
        (VALID.replace("Which one?", "\u00a0\n"), "empty-response", VALID.index("Which")),
    ],
)
def test_broken_rules_about_blocks(text: str, rule: str, position: int) -> None:
    assert broken(text) == (rule, position)


LAST = '"VQ_DA": {"LLM": 1.0, "user": 1.0}}'


@pytest.mark.parametrize(
    ("last", "rule", "where"),
    [
        ("", "payoff-syntax", "|"),
        ("[]", "payoff-syntax", "[]"),
        ('"VQ_DA": 1}', "payoff-syntax", "1}"),
        ('"VQ_DA": [1, 2]}', "payoff-syntax", "[1"),
        ('\'VQ_DA\': {"LLM": 1, "user": 1}}', "payoff-syntax", "'VQ"),
        ("VQ_DA: {}}", "payoff-syntax", "VQ_DA"),
        (LAST[:-1] + ",}", "payoff-syntax", "}|"),
        (LAST[:-1], "payoff-syntax", "|"),
        (LAST + "}", "payoff-syntax", "}|"),
        (LAST + " ok", "payoff-syntax", "ok"),
        ('"VQ_DA" {"LLM": 1, "user": 1}}', "payoff-syntax", '{"LLM": 1, '),
        ('"VQ_DA": {"LLM": 1 "user": 1}}', "payoff-syntax", '"user": 1}'),
        ('"VQ_DA": {"LLM": 01, "user": 1}}', "payoff-syntax", "01"),
        ('"VQ_DA": {"LLM": +1, "user": 1}}', "payoff-syntax", "+1"),
        ('"VQ_DA": {"LLM": 1., "user": 1}}', "payoff-syntax", "1.,"),
        ('"VQ_DA": {"LLM": 1_0, "user": 1}}', "payoff-syntax", "1_0"),
        ('"VQ_DA": {"LLM": \u0661, "user": 1}}', "payoff-syntax", "\u0661"),
        ('"VQ_DA": {"LLM": , "user": 1}}', "payoff-syntax", ', "user": 1}}|'),
        ('"VQ_DA\n": {"LLM": 1, "user": 1}}', "payoff-syntax", '"VQ_DA'),
        ('"VQ_XX": {}}', "payoff-key", '"VQ_XX'),
        ('"VQ_DA": {"llm": 1}}', "payoff-key", '"llm'),
        ('"VQ_DA": {"LLM": 1, "user": 1, "why": 1}}', "payoff-key", '"why'),
        ('"VQ_CQ": {"LLM": 1, "user": 1}}', "payoff-duplicate", '"VQ_CQ": {"LLM": 1, '),
        ('"VQ_C\\u0051": {}}', "payoff-duplicate", '"VQ_C\\'),
        ('"VQ_DA": {"LLM": 1, "LLM": 1}}', "payoff-duplicate", '"LLM": 1}}'),
        ('"VQ_DA": {"LLM": 1}}', "payoff-missing", '{"LLM": 1}}'),
        ('"VQ_DA": {}}', "payoff-missing", "{}}"),
        ('"VQ_DA": {"LLM": true, "user": 1}}', "payoff-number", "true"),
        ('"VQ_DA": {"LLM": null, "user": 1}}', "payoff-number", "null"),
        ('"VQ_DA": {"LLM": "1", "user": 1}}', "payoff-number", '"1"'),
        ('"VQ_DA": {"LLM": {}, "user": 1}}', "payoff-number", "{}, "),
        ('"VQ_DA": {"LLM": [1], "user": 1}}', "payoff-number", "[1]"),
        ('"VQ_DA": {"LLM": NaN, "user": 1}}', "payoff-finite", "NaN"),
        ('"VQ_DA": {"LLM": -Infinity, "user": 1}}', "payoff-finite", "-Inf"),
        ('"VQ_DA": {"LLM": 5.1, "user": 1}}', "payoff-range", "5.1"),
        ('"VQ_DA": {"LLM": 1, "user": -6}}', "payoff-range", "-6"),
        ('"VQ_DA": {"LLM": 1e999, "user": 1}}', "payoff-range", "1e999"),
        ('"VQ_DA": {"LLM": ' + "9" * 5000 + ', "user": 1}}', "payoff-range", "9999"),
    ],
)
def test_broken_rules_about_the_payoff(last: str, rule: str, where: str) -> None:
    text = VALID.replace(LAST, last)
    assert broken(text) == (rule, (text.replace("</payoff>", "|", 1)).index(where, 32))


def test_a_missing_cell_is_reported_at_the_payoff() -> None:
    text = VALID.replace(", " + LAST, "}")
    assert broken(text) == ("payoff-missing", VALID.index("{"))


def test_the_range_is_inclusive_and_can_be_moved() -> None:
    text = VALID.replace('"LLM": 0.5', '"LLM": 5').replace('"user": 2.0', '"user": -5.0e0')
    assert parse(text).payoff.cell("DQ_CQ") == (1, 5)
    assert parse(text).payoff.cell("DQ_DA") == (-5, 4)
    assert broken(text, high=4.5) == ("payoff-range", text.index("5, "))
    assert parse(text.replace(": 5,", ": 7,"), high=7).payoff.payoffs.max() == 7
    anything: Any = {"low": float("-inf"), "high": float("inf")}
    assert parse(text.replace(": 5,", ": 1e9,"), **anything).payoff.payoffs.max() == 1e9
    assert broken(text.replace(": 5,", ": 1e999,"), **anything)[0] == "payoff-finite"


EDITS = st.sampled_from(
    ['"', ",", "{", "}", ":", "-", ".", "e", "0", "5", "9", " ", "\n", "\\", "true", "NaN", "a"]
)


@given(st.data())
@settings(max_examples=80)
def test_the_payoff_is_read_as_the_json_codec_reads_it(data: st.DataObject) -> None:
    """The codec of `Bimatrix` is built on `json` and shares nothing with the chain's scanner."""
    text = json.dumps(data.draw(games()).to_json())
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(EDITS) + text[at + data.draw(st.integers(0, 2)) :]
    try:
        expected = Bimatrix.from_json(text, USER_LLM, -5, 5)
    except PayoffError:
        expected = None
    whole = f"<thinking></thinking><payoff>{text}</payoff><analyze></analyze><response>a</response>"
    if expected is None:
        rule, position = broken(whole)
        assert rule.startswith("payoff-")
        assert 29 <= position <= 29 + len(text)
    else:
        assert parse(whole).payoff == expected


@given(mutated())
@settings(max_examples=80)
def test_anything_parses_or_names_a_rule(text: str) -> None:
    try:
        chain = parse(text)
    except ChainError as error:
        assert error.rule in FORMAT_RULES
        assert 0 <= error.position <= len(text)
    else:
        assert chain.response
        assert text[slice(*chain.spans["analyze"])].strip() == chain.analyze


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize("name", hostile_repetitions(100))
def test_hostile_repetitions_end_in_a_chain_or_a_rule(name: str, tolerant: bool) -> None:
    # A parser that backtracks, recurses or rescans would not get through these.
    text = hostile_repetitions(300_000)[name]
    if name == "text":
        assert parse(text, tolerant=tolerant).response.startswith("word <")
        return
    with pytest.raises(ChainError) as caught:
        parse(text, tolerant=tolerant)
    assert len(str(caught.value)) < 300


@given(valid(), st.booleans(), st.floats(-6, 6))
def test_the_short_way_reads_what_the_long_one_reads(text: str, ordered: bool, low: float) -> None:
    if ordered:  # keys in the order in which the short way knows them
        with contextlib.suppress(ChainError):
            text = parse(text).render()
    reader = PayoffReader(USER_LLM, low, 5.0)
    short = parsing._plain(text, reader)
    if short is not None:
        assert short == parsing._strict(text, reader, layout(False))
        assert short.payoff.payoffs.flags.c_contiguous
        assert not short.payoff.payoffs.flags.writeable


def test_the_short_way_takes_what_is_plain_and_nothing_else() -> None:
    reader = PayoffReader(USER_LLM, -5.0, 5.0)
    assert parsing._plain(VALID, reader) == parse(VALID)
    wrong = (
        VALID.replace("3.0", "5.1", 1),
        VALID.replace("3.0", "1e999", 1),
        VALID.replace("3.0", "03", 1),
        VALID.replace("3.0", "NaN", 1),
        VALID.replace("What", "<payoff>", 1),
        VALID.replace("Which one?", " \u00a0\n"),
        VALID + ".",
    )
    for text in wrong:
        assert text != VALID
        assert parsing._plain(text, reader) is None
        with pytest.raises(ChainError):
            parse(text)
    boundless = PayoffReader(USER_LLM, -math.inf, math.inf)
    assert parsing._plain(VALID.replace("3.0", "1e999", 1), boundless) is None
