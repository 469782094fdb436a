"""Chains by the batch are those that `parse` gives one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import PAYOFF, THREE_BY_TWO, VALID, games, hostile, mutated, valid
from gtalign.chain import BLOCKS, Chain, parse, parse_batch, render
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, Bimatrix, GameForm

PLAIN = render("t", PAYOFF, "Choose DQ_AQ.", "Four.")
TEXTS = st.lists(
    st.one_of(valid(), mutated(), hostile(), st.sampled_from([VALID, PLAIN, f"```{PLAIN}", ""])),
    max_size=6,
)


def one_by_one(text: str, form: GameForm, tolerant: bool) -> Chain | str:
    try:
        return parse(text, form, tolerant=tolerant)
    except ChainError as error:
        return str(error)


@given(TEXTS, st.booleans())
def test_a_batch_is_what_its_texts_are(texts: list[str], tolerant: bool) -> None:
    chains = parse_batch(texts, tolerant=tolerant)
    assert len(chains) == len(texts)
    rows, analyses, responses = chains.found()
    assert sorted([*rows, *chains.errors]) == list(range(len(texts)))
    for row, text in enumerate(texts):
        expected = one_by_one(text, USER_LLM, tolerant)
        chain = chains[row]
        if isinstance(expected, str):
            assert str(chains.errors[row]) == expected
            assert chain is chains.responses[row] is chains.analyses[row] is None
            assert np.isnan(chains.payoffs_Nmn2[row]).all()
            assert not chains.spans_N42[row].any()
            continue
        assert chain == expected
        assert chain is not None
        assert dict(chain.spans) == dict(expected.spans)
        assert np.array_equal(chains.payoffs_Nmn2[row], expected.payoff.payoffs)
        assert chains.spans_N42[row].tolist() == [list(expected.spans[name]) for name in BLOCKS]
        place = rows.tolist().index(row)
        assert (analyses[place], responses[place]) == (expected.analyze, expected.response)


@given(st.lists(games(THREE_BY_TWO), min_size=1, max_size=3))
def test_another_form(payoffs: list[Bimatrix]) -> None:
    texts = [render("t", payoff, "Choose ASK_GO.", "Four.") for payoff in payoffs]
    chains = parse_batch(texts, THREE_BY_TWO)
    for row, text in enumerate(texts):
        assert chains[row] == parse(text, THREE_BY_TWO)


@pytest.mark.parametrize("response", [" ", "", "\u2003"])
def test_a_response_of_nothing_is_no_chain(response: str) -> None:
    chains = parse_batch([render("t", PAYOFF, "a", response), PLAIN])
    assert chains.errors[0].rule == "empty-response"
    assert chains[1] == chains[-1] == parse(PLAIN)
    with pytest.raises(IndexError):
        chains[2]


def test_the_range_of_payoffs() -> None:
    assert list(parse_batch([PLAIN], high=2.0).errors) == [0]
    far = PLAIN.replace('"LLM": 3.0', '"LLM": 1e999', 1)
    assert parse_batch([far], high=float("inf")).errors[0].rule == "payoff-finite"


def test_no_text_is_no_chain_and_no_error() -> None:
    chains = parse_batch([])
    assert len(chains) == 0
    assert chains.payoffs_Nmn2.shape == (0, 2, 3, 2)
