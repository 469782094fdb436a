"""Expected tokens: the prior, and the measured mean that replaces it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chain_texts import THREE_BY_TWO
from gtalign.errors import DataError, SteeringError
from gtalign.game import USER_LLM
from gtalign.steering import PRIOR, ActionTokens, TokenHistory, prior_for
from gtalign.steering.expected import UNKNOWN


def history(**answers: list[float]) -> TokenHistory:
    found = TokenHistory()
    for action, outputs in answers.items():
        for output in outputs:
            found.add("m", action, output)
    return found


def test_what_an_action_writes_and_reads() -> None:
    tokens = ActionTokens(output=100, turns=1.5, follow_up=200, reply=10)
    assert tokens.written() == 100 + 1.5 * 200
    assert tokens.read(1000) == 1.5 * (1000 + 100 + 10)


def test_this_turns_prompt_is_not_charged() -> None:
    assert ActionTokens(output=100).read(10**6) == 0


@pytest.mark.parametrize("wrong", [{"output": -1}, {"output": float("nan")}, {}, {"turns": -0.1}])
def test_impossible_numbers_of_tokens(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ActionTokens(**({"output": 1.0} | wrong if "turns" in wrong else wrong))


def test_the_prior_has_the_right_order() -> None:
    assert set(PRIOR) == set(USER_LLM.llm_actions)
    assert PRIOR["CQ"].output < PRIOR["DA"].output < PRIOR["AQ"].output
    assert PRIOR["CQ"].written() > PRIOR["DA"].written()
    assert PRIOR["DA"].turns < PRIOR["AQ"].turns < PRIOR["CQ"].turns == 1


def test_unknown_actions_are_all_alike() -> None:
    assert prior_for(USER_LLM) == PRIOR
    assert prior_for(THREE_BY_TWO) == {"GO": UNKNOWN, "WAIT-1": UNKNOWN}


def test_the_mean_replaces_the_prior_once_there_is_enough() -> None:
    seen = history(DA=[600.0] * 19, CQ=[90, 110])
    assert seen.expected("m", USER_LLM) == PRIOR
    seen.add("m", "DA", 1000)
    expected = seen.expected("m", USER_LLM, PRIOR)
    assert expected["DA"] == PRIOR["DA"].model_copy(update={"output": 620.0})
    assert expected["CQ"] == PRIOR["CQ"]
    assert seen.expected("m", USER_LLM, PRIOR, enough=2)["CQ"] == ActionTokens(
        output=100,
        turns=PRIOR["CQ"].turns,
        follow_up=PRIOR["CQ"].follow_up,
        reply=PRIOR["CQ"].reply,
    )
    assert seen.sources("m", USER_LLM, PRIOR) == {
        "AQ": "prior",
        "CQ": "prior",
        "DA": "measured (n=20)",
    }
    assert seen.expected("another", USER_LLM) == PRIOR
    assert seen.sources("another", USER_LLM) == dict.fromkeys(USER_LLM.llm_actions, "prior")


def followed(after: str, tokens: float, times: int = 20) -> TokenHistory:
    found = TokenHistory()
    for _ in range(times):
        found.add("m", "DA", tokens, after=after)
    return found


@pytest.mark.parametrize("after", ["CQ", "AQ"])
def test_measured_follow_ups_replace_the_prior(after: str) -> None:
    seen = followed(after, 120)
    seen.add("m", "CQ", 50)  # too few of this action
    expected = seen.expected("m", USER_LLM)
    assert expected[after].follow_up == 120 and expected[after].turns == PRIOR[after].turns
    assert seen.sources("m", USER_LLM)[after] == "prior, follow-ups measured (n=20)"
    # Before they are measured, a follow-up is as long as a full answer.
    other = ({"CQ", "AQ"} - {after}).pop()
    assert expected[other].follow_up == 120
    assert seen.sources("m", USER_LLM)[other] == "prior, follow-ups as DA (n=20)"


def test_a_follow_up_is_as_long_as_a_full_answer_until_it_is_measured() -> None:
    seen = history(DA=[80.0] * 20)
    assert seen.expected("m", USER_LLM)["CQ"].written() == PRIOR["CQ"].output + 80
    for _ in range(20):
        seen.add("m", "AQ", 300, after="CQ")
    assert seen.expected("m", USER_LLM)["CQ"].follow_up == 300
    assert seen.expected("m", USER_LLM)["AQ"] == PRIOR["AQ"].model_copy(
        update={"output": 300.0, "follow_up": 80.0}
    )
    assert seen.sources("m", USER_LLM) == {
        "AQ": "measured (n=20), follow-ups as DA (n=20)",
        "CQ": "prior, follow-ups measured (n=20)",
        "DA": "measured (n=20)",
    }


def test_a_given_prior_keeps_its_follow_ups_until_they_are_measured() -> None:
    seen = history(DA=[80.0] * 20)
    given = {**PRIOR, "CQ": ActionTokens(output=9, turns=2, follow_up=70)}
    assert seen.expected("m", USER_LLM, given)["CQ"] == given["CQ"]
    assert seen.sources("m", USER_LLM, given)["AQ"] == "prior"
    assert followed("CQ", 33).expected("m", USER_LLM, given)["CQ"].follow_up == 33


def test_a_game_without_full_answers_has_its_own_follow_ups_only() -> None:
    prior = {"GO": ActionTokens(output=9, turns=1, follow_up=5), "WAIT-1": UNKNOWN}
    seen = TokenHistory()
    for _ in range(20):
        seen.add("m", "WAIT-1", 70, after="GO")
    expected = seen.expected("m", THREE_BY_TWO, prior)
    assert (expected["GO"].follow_up, expected["WAIT-1"].follow_up) == (70, 0)
    assert seen.expected("m", THREE_BY_TWO)["GO"] == UNKNOWN  # it has no further turns


def test_nothing_is_never_enough() -> None:
    assert TokenHistory().expected("m", USER_LLM, enough=0) == PRIOR
    assert set(TokenHistory().sources("m", USER_LLM, enough=0).values()) == {"prior"}


def test_a_prior_that_lacks_an_action() -> None:
    with pytest.raises(SteeringError, match="are given for DA, not for 'AQ'"):
        TokenHistory().expected("m", USER_LLM, {"DA": PRIOR["DA"]})
    with pytest.raises(SteeringError, match="no action"):
        TokenHistory().expected("m", USER_LLM, {})


@pytest.mark.parametrize("output", [-1, float("nan"), float("inf"), 10**400, True, "12", None])
def test_what_is_no_number_of_tokens_is_refused(output: Any) -> None:
    seen = TokenHistory()
    with pytest.raises(DataError, match="m, DA: that is not a number of tokens"):
        seen.add("m", "DA", output)
    assert seen.count("m", "DA") == 0
    assert seen.to_json() == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["m", "n"]),
            st.sampled_from(["DA", "CQ"]),
            st.integers(0, 10_000),
            st.sampled_from([None, "CQ", "AQ"]),
        ),
        max_size=30,
    )
)
def test_it_comes_back_and_its_size_does_not_grow(
    answers: list[tuple[str, str, int, str | None]],
) -> None:
    seen = TokenHistory()
    for model, action, output, after in answers:
        seen.add(model, action, output, after=after)
    record = json.loads(json.dumps(seen.to_json()))
    back = TokenHistory.from_json(record)
    assert back.to_json() == record
    assert sum(len(actions) for actions in record.values()) <= 6
    for model in ("m", "n"):
        assert back.expected(model, USER_LLM, enough=1) == seen.expected(model, USER_LLM, enough=1)
        for action in ("DA", "CQ"):
            outputs = [o for m, a, o, _ in answers if (m, a) == (model, action)]
            assert back.count(model, action) == len(outputs)
            if outputs:
                mean = sum(outputs) / len(outputs)
                assert back.expected(model, USER_LLM, enough=1)[action].output == mean


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "the record has to be an object"),
        ({"m": 3}, "'m' has to be an object"),
        ({"m": {3: {}}}, "'m' has to be an object"),
        ({"m": {"DA": 3}}, r"'m\.DA' has to be an object"),
        ({"m": {"DA": {"answers": 1}}}, r"'m\.DA\.tokens' is missing; it has to be a finite"),
        ({"m": {"DA": {"answers": 1.5, "tokens": 1}}}, r"'m\.DA\.answers' .* not 1\.5"),
        ({"m": {"DA": {"answers": -1, "tokens": 1}}}, "'m.DA.answers' .* not -1"),
        ({"m": {"DA": {"answers": 1, "tokens": float("nan")}}}, r"'m\.DA\.tokens' .* not nan"),
        ({"m": {"DA": {"answers": 1, "tokens": 10**400}}}, "so large a number"),
        ({"m": {"DA": {"answers": 1, "tokens": True}}}, "not True"),
        ({"m": {"DA": {"answers": 1, "tokens": -4.0}}}, r"'m\.DA\.tokens' .* 0 or more"),
        ({"m": {"DA": {"answers": 0, "tokens": 4}}}, r"'m\.DA\.tokens' .* that many"),
        ({"m": {"CQ": {"follow_ups": 1}}}, r"'m\.CQ\.follow_up_tokens' is missing"),
        ({"m": {"CQ": {"follow_ups": 0, "follow_up_tokens": 4}}}, "that many"),
    ],
)
def test_wrong_records_are_named(record: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TokenHistory.from_json(record)
