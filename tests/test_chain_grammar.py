"""The grammars, read by an engine that constrains decoding with them."""

import json
import random
import re
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import get_args

import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, VALID, games, mutated, plain, texts
from grammars import accepts
from gtalign.chain import (
    TAGS,
    Lengths,
    Part,
    chosen_cell,
    ebnf,
    gbnf,
    json_schema,
    parse,
    render,
)
from gtalign.chain.grammar import ENDING_TOKENS
from gtalign.errors import ChainError, GameError
from gtalign.game import USER_LLM, Bimatrix, GameForm

READERS: dict[str, Callable[..., xgrammar.Grammar]] = {
    "ebnf": lambda form, **rest: xgrammar.Grammar.from_ebnf(ebnf(form, **rest)),
    "gbnf": lambda form, **rest: xgrammar.Grammar.from_ebnf(gbnf(form, **rest)),
    "concise": lambda form, **rest: xgrammar.Grammar.from_ebnf(ebnf(form, concise=True, **rest)),
}
FREE = [name for name in READERS if name != "concise"]  # an analysis of any form
FORMS = {"2x3": USER_LLM, "3x2": THREE_BY_TWO}


@cache
def grammar(kind: str, form: GameForm = USER_LLM) -> xgrammar.Grammar:
    return READERS[kind](form)


def parses(text: str, form: GameForm = USER_LLM) -> bool:
    try:
        parse(text, form)
    except ChainError:
        return False
    return True


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_generated_chains_are_accepted(kind: str, form: GameForm) -> None:
    @given(plain(), games(form), plain(), texts())
    @settings(max_examples=15)
    def check(thinking: str, payoff: Bimatrix, analyze: str, response: str) -> None:
        text = render(f"a{thinking}", payoff, f"\nb{analyze}", f"{response or 'x'}")
        text = text.replace("<response>", "<response>c")
        assert accepts(grammar(kind, form), text)
        assert parses(text, form)

    check()


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<thinking>", ""),
        ("<thinking>", "so <thinking>"),
        ("<payoff>", "<payoff><payoff>"),
        ("</response>", ""),
        ("</response>", "</response>."),
        ("</response>", "</response></response>"),
        ("Which one?", ""),
        ("Which one?", " \n"),
        ("Which one?", "\u00a0\u3000"),
        ("Which one?", "Which </thinking> one?"),
        ("What", "<analyze>"),
        ("What", "W<thinking<payoff>"),
        ("What", "a < b"),
        ("Frontier", "<b>"),
        ("DQ_AQ", "dq_aq"),
        ('"DQ_AQ": ', '"DQ_AQ": {}, "DQ_AQ": '),
        ("3.0", "5.1"),
        ("3.0", "-5.1"),
        ("3.0", "50"),
        ("3.0", "03"),
        ("3.0", "1e3"),
        ("3.0", "NaN"),
        ("3.0", "true"),
        ("3.0", '"3"'),
        ("{", "```json\n{"),
        ("}}", ",}}"),
        ('"', "'"),
    ],
)
def test_wrong_chains_are_refused(kind: str, old: str, new: str) -> None:
    assert accepts(grammar(kind), VALID)
    assert not accepts(grammar(kind), VALID.replace(old, new))


@pytest.mark.parametrize("kind", READERS)
def test_what_is_accepted_parses(kind: str) -> None:
    @given(mutated())
    @settings(max_examples=30)
    def check(text: str) -> None:
        assert parses(text) or not accepts(grammar(kind), text)

    check()


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_an_engine_samples_parses(kind: str, form: GameForm) -> None:
    """Write chains token by token, each drawn from those that the engine lets through."""
    keys = [f'"{key}":' for key in (*form.cells, "LLM", "user")]
    letters = [chr(code) for code in range(32, 127)]
    vocabulary = [*TAGS, *keys, *letters, "\n", "\u00a0", "\u2003", "é", "<think", "</", "</s>"]
    info = xgrammar.TokenizerInfo(vocabulary, stop_token_ids=[len(vocabulary) - 1])
    compiled = xgrammar.GrammarCompiler(info, max_threads=1).compile_grammar(grammar(kind, form))
    rng = random.Random(1)
    for _ in range(5):
        matcher = xgrammar.GrammarMatcher(compiled)
        mask = xgrammar.allocate_token_bitmask(1, len(vocabulary))
        text = ""
        while not matcher.is_terminated():
            matcher.fill_next_token_bitmask(mask)
            words = mask[0].tolist()
            allowed = [
                token for token in range(len(vocabulary)) if words[token // 32] >> (token % 32) & 1
            ]
            # Whole tags and keys are tried more often, so that texts come to an end.
            tags = [token for token in allowed if token < len(TAGS) or vocabulary[token] == "</s>"]
            digits = [token for token in allowed if vocabulary[token] in ("}", ",")]
            token = rng.choice((rng.random() < 0.2 and tags) or digits or allowed)
            assert matcher.accept_token(token)
            text += "" if vocabulary[token] == "</s>" else vocabulary[token]
        assert parses(text, form), text


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_schema_is_read(form: GameForm) -> None:
    read = xgrammar.Grammar.from_json_schema(json_schema(form))
    zeros = Bimatrix(form, [[[0, 0]] * form.shape[1]] * form.shape[0]).to_json()
    text = json.dumps(zeros)
    first, last = form.cells[0], form.cells[-1]
    assert accepts(read, text)
    for number in ("-5", "5.0", "4.99", "-0.1"):
        assert accepts(read, text.replace("0.0", number))
    for number in ("5.1", "-5.01", "6", "-10", "NaN", "true", "null", '"1"', "01"):
        assert not accepts(read, text.replace("0.0", number, 1))
    del zeros[last]
    assert not accepts(read, json.dumps(zeros))
    assert not accepts(read, text.replace(last, first))
    assert not accepts(read, text.replace("user", "User", 1))


@given(st.integers(-130, 130), st.integers(0, 150), st.integers(-300, 300))
@settings(max_examples=60)
def test_numbers_are_those_in_range(low: int, width: int, tenths: int) -> None:
    high = low + width
    read = xgrammar.Grammar.from_ebnf(ebnf(low=low / 10, high=high / 10), root_rule_name="number")
    assert accepts(read, f"{tenths / 10:.1f}") == (low <= tenths <= high)
    if tenths % 10 == 0:
        assert accepts(read, str(tenths // 10)) == (low <= tenths <= high)
    assert not accepts(read, f"{tenths / 10:.2f}")


def test_impossible_ranges_are_refused() -> None:
    for low, high in ((0.01, 0.09), (1, 0), (float("-inf"), 5), (-5, 2000)):
        with pytest.raises(GameError):
            ebnf(low=low, high=high)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_parts_of_a_grammar_accept_the_parts_of_a_chain(form: GameForm) -> None:
    opening, inside, remainder = (
        xgrammar.Grammar.from_ebnf(gbnf(form, part=part))
        for part in ("opening", "payoff", "remainder")
    )

    @given(plain(), games(form), plain(), texts(), st.data())
    @settings(max_examples=15)
    def check(
        thinking: str, payoff: Bimatrix, analyze: str, response: str, data: st.DataObject
    ) -> None:
        text = render(f"a{thinking}", payoff, analyze, f"c{response}")
        closed = text.index("</payoff>") + len("</payoff>")
        opened = text.index("<analyze>") + len("<analyze>")
        begun = data.draw(st.integers(opened, text.index("</analyze>")))
        assert accepts(opening, text[:closed])
        assert not accepts(opening, text[: closed - 1])
        assert not accepts(opening, text)
        matrix = text[text.index("<payoff>") + len("<payoff>") : text.index("</payoff>")]
        assert accepts(inside, matrix)
        assert not accepts(inside, matrix[:-1])
        for start in (opened, begun):
            assert accepts(remainder, text[start:])
        assert not accepts(remainder, text[opened:].replace("</analyze>", ""))
        assert not accepts(remainder, text)

    check()


@pytest.mark.parametrize("most", [1, 2, 499, 500, 501, 502, 1000, 1003, 2600])
def test_thinking_and_analysis_end(most: int) -> None:
    """A model that would never close them is made to, and no sooner."""
    lengths = Lengths(most, most)
    matrix = Bimatrix(USER_LLM, [[[1, 2]] * 3] * 2)
    whole = xgrammar.Grammar.from_ebnf(ebnf(lengths=lengths))
    rest = xgrammar.Grammar.from_ebnf(ebnf(part="remainder", lengths=lengths))
    for length in {1, most - 1, most, most + 1} - {0}:
        thinks = render("x" * length, matrix, "y", "z")
        analyses = render("x", matrix, "y" * length, "z")
        assert accepts(whole, thinks) == accepts(whole, analyses) == (length <= most)
        after = analyses[analyses.index("<analyze>") + len("<analyze>") :]
        assert accepts(rest, after) == (length <= most)


CONCLUDED = {
    "Choose VQ_CQ.": True,
    "VQ_CQ has the highest sum, 7.0. Choose VQ_CQ.": True,
    " It is vague! So: ask, then. Choose VQ_CQ.": True,
    "": False,
    "VQ_CQ has the highest sum, 7.0.": False,
    "One. Two. Choose VQ_CQ.": False,
    "One.\nChoose VQ_CQ.": False,
    "a < b. Choose VQ_CQ.": False,
    "Choose VQ.": False,
    "Choose VQ_CQ": False,
    "Choose VQ_CQ. And so on": False,
    f"{'and ' * 60}so. Choose VQ_CQ.": False,
}


@pytest.mark.parametrize(("analysis", "accepted"), CONCLUDED.items())
def test_a_concise_analysis_is_one_sentence_and_the_choice(analysis: str, accepted: bool) -> None:
    matrix = Bimatrix(USER_LLM, [[[1, 2]] * 3] * 2)
    text = render("a", matrix, "", "c").replace("<analyze>", f"<analyze>{analysis}")
    assert accepts(grammar("concise"), text) == accepted
    rest = xgrammar.Grammar.from_ebnf(gbnf(part="remainder", concise=True))
    assert accepts(rest, text[text.index("<analyze>") + len("<analyze>") :]) == accepted
    if accepted:
        assert chosen_cell(parse(text).analyze, matrix).cell == "VQ_CQ"


@pytest.mark.parametrize("most", [1, 20, 40, 100, 2000])
def test_a_concise_analysis_has_room_for_the_choice(most: int) -> None:
    rest = xgrammar.Grammar.from_ebnf(
        gbnf(part="remainder", lengths=Lengths(9, most), concise=True)
    )
    fits = [
        length
        for length in (*range(1, 60), *range(60, 300, 20))
        if accepts(rest, f"{'x' * length}. Choose VQ_CQ.</analyze><response>Which?")
    ]
    assert accepts(rest, "Choose VQ_CQ.</analyze><response>Which?")
    assert len(". Choose VQ_CQ.") + max(fits, default=0) <= max(most // 3, 15)
    assert (max(fits, default=0) > 100) == (most == 2000)


def test_a_block_without_room_is_refused() -> None:
    for lengths in (Lengths(0, 5), Lengths(5, 0), Lengths(-1, -1)):
        with pytest.raises(GameError, match="room"):
            ebnf(lengths=lengths)


def test_a_response_may_end_with_the_model_s_turn() -> None:
    for part, before in (("remainder", "a</analyze>\n<response>"), ("response", "")):
        read = xgrammar.Grammar.from_ebnf(ebnf(part=part))
        for response in ("In 1901.", "if (a < b) { c<d }", "<b>1901</b>", "</respon"):
            assert accepts(read, f"{before}{response}")
            assert accepts(read, f"{before}{response}</response>\n")
        for response in ("", " ", "x</thinking>", "x</response>x", "<thinking>x"):
            assert not accepts(read, f"{before}{response}")


def test_an_ending_brings_one_sentence_to_its_end() -> None:
    read = xgrammar.Grammar.from_ebnf(ebnf(part="ending"))
    most = "x" * 33 + "\U0001f600\u2026", "\U0001f600" * 9 + "\u3002"
    for end in ("all.", " is it?", "\u3067\u3059\u3002", *most, "3.75 hours"[4:] + "."):
        assert accepts(read, end)
        assert accepts(read, f"{end}</response>\n")
        # A tokenizer without any merge spells each byte as one token.
        assert len(end.encode()) <= ENDING_TOKENS
    longer = "x" * 35 + ".", "\u00fc" * 10 + "."
    for no in ("", "all", ".", " .", "it is 3.", "so. And", "a\nb.", "<b>.", "a<b.", *longer):
        assert not accepts(read, no)


@pytest.mark.parametrize("tokens", [7, 8, 11, 12, 34, ENDING_TOKENS])
def test_an_ending_is_as_short_as_it_has_to_be(tokens: int) -> None:
    read = xgrammar.Grammar.from_ebnf(ebnf(part="ending", lengths=Lengths(ending=tokens)))
    free, mark = tokens - 7, "\u3002"
    for more, last in product(("x" * free, "\U0001f600" * (free // 4)), ("x", "\U0001f600")):
        assert accepts(read, f"{more}{last}{mark}")
        assert len(f"{more}{last}{mark}".encode()) <= tokens
        if more or not free:
            assert not accepts(read, f"{more[:1] or last}{more}{last}{mark}")


@pytest.mark.parametrize("part", get_args(Part))
@pytest.mark.parametrize("concise", [False, True])
def test_every_rule_of_a_grammar_is_used_and_there(part: Part, concise: bool) -> None:
    text = ebnf(part=part, lead=">", concise=concise)
    rules = dict(line.split(" ::= ", 1) for line in text.splitlines())
    bodies = " ".join(
        re.sub(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]', "", b) for b in rules.values()
    )
    assert {*re.findall(r"[a-z][a-z0-9-]*", bodies), "root"} == set(rules)
    repeats = [int(n) for body in rules.values() for n in re.findall(r"(\d+)}", body)]
    assert max(repeats, default=0) <= 2000  # llama.cpp's limit


def test_a_grammar_can_begin_with_what_a_part_still_lacks() -> None:
    text = render("a", Bimatrix(USER_LLM, [[[1, 2]] * 3] * 2), "b", "c")
    rest = text[text.index("<analyze>") + len("<analyze>") - 1 :]
    for lead in (">", '">\\'):
        read = xgrammar.Grammar.from_ebnf(ebnf(part="remainder", lead=lead))
        assert accepts(read, lead + rest[1:])
        assert not accepts(read, rest[1:])
