"""The reward of one completion: the recorded vectors, and what is worth what by hand."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.chain import render
from gtalign.errors import ChainError, JudgeError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import FACTORS, Reward, RewardConfig, Score, Scores
from gtalign.reward.reading import read_released
from gtalign.reward.scores import NUMBERS, PLAIN_WELFARE, WELFARE
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript
from one_score import score_one

CELLS = {
    "DQ_AQ": (3.0, 3.0),
    "DQ_CQ": (1.0, 2.0),
    "DQ_DA": (2.0, 1.0),
    "VQ_AQ": (0.0, 1.0),
    "VQ_CQ": (2.0, 4.0),
    "VQ_DA": (1.0, 1.0),
}
PAYOFF = Bimatrix.from_json({key: {"user": u, "LLM": m} for key, (u, m) in CELLS.items()})
CHAIN = render("think a bit", PAYOFF, "Choose DQ_AQ.", "Four.")
GOOD = Verdict("test", 1.0, "right")


def ask(task: str = "math-hard", truth: str = "4") -> Question:
    return Question("q1", task, (Message(role="user", content="2+2?"),), truth, "c1")


def score(
    completion: str = CHAIN,
    verdict: Verdict | None = GOOD,
    question: Question | None = None,
    **keys: Any,
) -> Score:
    return score_one(
        Reward(RewardConfig(**{"preset": "paper", **keys})), question or ask(), completion, verdict
    )


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# --- the released code -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "side", "rows"), [("released", "train", 166), ("released-eval", "eval", 355)]
)
def test_every_recorded_vector(vectors: Path, preset: str, side: str, rows: int) -> None:
    assert as_recorded(vectors / "released-code-rewards.jsonl", preset, side) == rows


@pytest.mark.parametrize(
    ("preset", "side", "rows"), [("released", "train", 231), ("released-eval", "eval", 420)]
)
def test_every_recorded_vector_with_published_texts(
    shared: Path, preset: str, side: str, rows: int
) -> None:
    file = shared / "vectors" / "released-code-rewards.jsonl"
    assert as_recorded(file, preset, side) == rows


def as_recorded(file: Path, preset: str, side: str) -> int:
    """The number of recorded rewards of one side that the preset gives again."""
    reward = Reward(RewardConfig.model_validate({"preset": preset}))
    compared = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        expected: Mapping[str, float] = row["expected"].get(side)
        if expected is None:
            continue
        verdict = Verdict("recorded", row["judge_score"], "recorded")
        question = ask(row["task"], row["ground_truth"])
        got = score_one(reward, question, row["completion"], verdict, row["pareto_score"])
        wanted = (
            expected["user_reward"],
            expected["llm_reward"],
            expected["utility"],
            expected["utility"],
            expected["answer_reward"],
        )
        found = (
            got.user_welfare,
            got.llm_welfare,
            got.mutual_welfare,
            got.reward,
            got.factors["quality"],
        )
        assert found == pytest.approx(wanted, abs=1e-9), row["id"]
        if side == "eval":
            terms = (got.factors["distinctness"], got.factors["format"])
            recorded = (expected["payoff_reward"], expected["format_reward"])
            assert terms == pytest.approx(recorded, abs=1e-9), row["id"]
        compared += 1
    return compared


BODY = '"DQ_CQ":{"LLM":1,"user":2},"DQ_DA":{"LLM":1,"user":2},"VQ_AQ":{"LLM":1,"user":2},'
BODY += '"VQ_CQ":{"LLM":1,"user":2},"VQ_DA":{"LLM":1,"user":2}'


def loose(cell: str = '"DQ_AQ":{"LLM":1,"user":2}', after: str = "", response: str = "x") -> str:
    return (
        f"<thinking>t</thinking> <payoff>{{{cell},{BODY}}}</payoff>"
        f" <analyze>a</analyze> <response>{response}</response>{after}"
    )


@pytest.mark.parametrize(
    "text",
    [
        loose('"DQ_AQ":{"LLM":NaN,"user":2}'),
        loose('"DQ_AQ":{"LLM":true,"user":2}'),
        loose('"DQ_AQ":{"LLM":1e308,"user":-1e308}'),
        loose('"DQ_AQ":{"LLM":7,"user":2}'),
        loose('"DQ_AQ":{"LLM":1,"user":2},"DQ_AQ":{"LLM":1,"user":2}'),
        loose(response=""),
        loose(after="\nand more"),
    ],
)
def test_the_released_reading_is_lenient_where_ours_is_not(text: str) -> None:
    lenient = score(text, preset="released", question=ask())
    assert lenient.user_welfare is not None
    assert lenient.user_welfare > 0
    assert lenient.factors["format"] == 1
    assert math.isfinite(lenient.mutual_welfare or math.nan)
    assert score(text).mutual_welfare == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("plain", "<payoff>"),
        (loose().replace("</response>", ""), "<response>"),
        (loose().replace("analyze>", "analysis>"), "<analyze>"),
        (loose('"DQ_XX":{"LLM":1,"user":2}'), "needs the keys"),
        (loose('"DQ_AQ":[1,2]'), "DQ_AQ"),
        (loose('"DQ_AQ":{"LLM":"1","user":2}'), "DQ_AQ"),
        (loose('"DQ_AQ":{"LLM":1' + "0" * 400 + ',"user":2}'), "too large"),
        (loose('"DQ_AQ"'), "cannot be read"),
        (loose().replace('{"DQ', '[{"DQ', 1).replace("}}<", "}}]<"), "needs the keys"),
    ],
)
def test_what_the_released_reading_refuses(text: str, what: str) -> None:
    with pytest.raises(ChainError, match=what):
        read_released(text, USER_LLM, needs_analyze=True)
    refused = score(text, preset="released-eval")
    assert refused.reward == 0
    assert refused.chain_error is not None


def test_the_released_training_code_does_without_an_analysis() -> None:
    text = loose().replace("<analyze>a</analyze>", "a")
    assert score(text, preset="released").factors["format"] == 0
    assert (score(text, preset="released").reward or 0) > 0
    assert score(text, preset="released-eval").reward == 0


@pytest.mark.parametrize("text", ["Sure!\n" + loose(), loose(after=" more"), loose()[10:]])
def test_released_format_needs_the_blocks_from_the_beginning(text: str) -> None:
    assert score(text, preset="released").factors["format"] == 0


def test_released_evaluation_needs_a_solution_score_where_ours_cannot_read_one() -> None:
    text = loose(after="\nmore", response="")
    unknown = score(text, preset="released-eval")
    assert unknown.llm_welfare is None
    assert unknown.reward is None
    assert "solution" in (unknown.unscored or "")
    known = score_one(Reward(RewardConfig(preset="released-eval")), ask(), text, GOOD, 1.0)
    assert known.unscored is None
    assert known.factors["solution"] == 1


# --- the paper ---------------------------------------------------------------------------------


def test_the_paper_by_hand() -> None:
    got = score()
    before = len(CHAIN.partition("<response>")[0].split())
    total = len(CHAIN.split())
    response_window = sigmoid(0.005 * (1 - 100)) * sigmoid(0.005 * (1000 - 1))
    total_window = sigmoid(0.005 * (total - 500)) * sigmoid(0.005 * (1500 - total))
    user = 0.5 + 0.2 * response_window + 0.3 * math.exp(-before / 500)
    distinct = 8 / 12  # four cells differ, clearly each time
    llm = 0.4 + 0.2 * total_window + 0.4 * (1 + (distinct + 1) / 2) / 2
    answer = (0.4 + 0.2 * total_window) / 0.6
    assert got.factors["distinctness"] == pytest.approx(distinct)
    assert got.user_welfare == pytest.approx(user)
    assert got.llm_welfare == pytest.approx(llm)
    assert got.mutual_welfare == got.reward == pytest.approx(math.sqrt(user * llm))
    assert got.answer_llm_welfare == pytest.approx(answer)
    assert got.answer_mutual_welfare == pytest.approx(math.sqrt(user * answer))
    assert got.unscored is None
    assert set(got.factors) == set(FACTORS)
    assert got.chain is not None
    assert got.tokens["total"] == total
    assert got.tokens["before"] == before
    assert got.tokens["response"] == 1


def test_lengths_are_in_the_tokens_of_the_model() -> None:
    got = score_one(Reward(count_tokens=len), ask(), CHAIN, GOOD)
    assert got.tokens["response"] == len("Four.")
    assert got.tokens["total"] == len(CHAIN)
    assert got.tokens["thinking"] == len("think a bit")
    assert got.factors["latency"] == pytest.approx(math.exp(-CHAIN.index("<response>") / 500))


def test_recorded_counts_stand_in_for_the_tokenizer() -> None:
    first = score_one(Reward(count_tokens=len), ask(), CHAIN, GOOD)
    assert score_one(Reward(), ask(), CHAIN, GOOD, tokens=first.tokens) == first
    incomplete = score_one(Reward(), ask(), CHAIN, GOOD, tokens={"total": 3})
    assert incomplete == score_one(Reward(), ask(), CHAIN, GOOD)


@pytest.mark.parametrize("verdict", [None, GOOD, Verdict("j", None, "down")])
@pytest.mark.parametrize("aggregate", ["cobb_douglas", "linear", "user", "llm", "ces"])
def test_what_does_not_parse_is_worth_nothing_which_is_a_score(
    verdict: Verdict | None, aggregate: str
) -> None:
    got = score("no chain at all", verdict, aggregate=aggregate)
    assert got.unscored is None
    assert got.chain_error is not None
    for name, factor in FACTORS.items():  # what only some judges state, none has stated here
        assert got.factors[name] == (None if factor.stated else 0.0)
    assert (got.user_welfare, got.llm_welfare, got.mutual_welfare, got.reward) == (0, 0, 0, 0)
    assert (got.answer_llm_welfare, got.answer_mutual_welfare) == (0, 0)
    assert got.tokens == {"total": 4}


@pytest.mark.parametrize(
    ("verdict", "reason"), [(None, "no verdict"), (Verdict("j", None, "down"), "judge j: down")]
)
def test_a_missing_verdict_is_unscored_and_not_0(verdict: Verdict | None, reason: str) -> None:
    got = score(verdict=verdict)
    assert got.unscored == reason
    assert (got.user_welfare, got.llm_welfare, got.mutual_welfare, got.reward) == (None,) * 4
    assert got.factors["quality"] is None
    assert got.factors["format"] == 1


def test_a_verdict_outside_the_range_is_the_judges_failure() -> None:
    with pytest.raises(JudgeError):
        score(verdict=Verdict("j", 3.0, "?"))


@pytest.mark.parametrize(
    ("analyze", "solution"),
    [("Choose DQ_AQ.", 1), ("Choose DQ_CQ.", 0), ("Choose AQ.", 0.5), ("I like tea.", 0)],
)
def test_solution(analyze: str, solution: float) -> None:
    # The frontier is DQ_AQ and VQ_CQ. An analysis that picks nothing has not solved the game.
    assert score(render("t", PAYOFF, analyze, "Four.")).factors["solution"] == solution


def test_a_repaired_chain_loses_the_format() -> None:
    spoiled = f"```\n{CHAIN}\n```"
    assert score(spoiled).reward == 0
    repaired = score(spoiled, reading="tolerant")
    assert repaired.factors["format"] == 0
    assert repaired.reward is not None
    assert 0 < repaired.reward < (score().reward or 0)


def test_the_response_that_a_judge_sees() -> None:
    plain, released = RewardConfig(chain=False), RewardConfig(preset="released")
    assert Reward().read([CHAIN, "Four."]).responses == ["Four.", None]
    assert Reward(plain).read([" Four. "]).responses == ["Four."]
    assert Reward(released).read([loose(response=" x ")]).responses == ["x"]


def test_reasoning_before_a_chain_precedes_the_response() -> None:
    plain, thought = score(CHAIN), score(f"<think>{'word ' * 50}</think>{CHAIN}")
    assert thought.chain is not None and plain.chain is not None
    assert thought.chain.to_json() == plain.chain.to_json()
    assert thought.chain_error is None
    assert thought.factors["format"] == plain.factors["format"]
    assert thought.tokens["before"] > plain.tokens["before"] + 48


# --- without a chain ---------------------------------------------------------------------------


def test_plain_answers_have_no_chain_terms() -> None:
    got = score("Four.", chain=False)
    absent = [name for name, factor in FACTORS.items() if factor.chain]
    assert [got.factors[name] for name in absent] == [None] * 3
    assert got.factors["latency"] == 1
    assert got.chain is None
    assert got.chain_error is None
    assert got.unscored is None
    assert got.llm_welfare == got.answer_llm_welfare
    assert got.mutual_welfare == got.answer_mutual_welfare
    assert got.tokens == {"response": 1, "before": 0, "total": 1}
    # The same words are judged alike, whatever they look like.
    assert (score(CHAIN, chain=False).factors["format"]) is None


@pytest.mark.parametrize(
    ("text", "response", "before"),
    [
        ("<think>a b c</think>Four.", "Four.", 20),
        (" [THINK]a b c[/THINK]\n\nFour. ", "Four.", 21),
        ("a b c</think> Four.", "Four.", 13),
        ("<think>a b c", "", 12),
        (" Four. ", "Four.", 0),
        ("It is <think>a</think>four.", "It is four.", 0),
    ],
)
def test_the_reasoning_of_a_plain_answer_precedes_it(text: str, response: str, before: int) -> None:
    readings = Reward(RewardConfig(chain=False)).read([text])
    assert list(readings.responses) == [response]
    assert readings.before_N.tolist() == [before]
    got = score(text, chain=False)
    assert got.tokens["total"] == len(text.split())
    assert (got.factors["latency"] == 1) is (before == 0)


@pytest.mark.parametrize(
    "text", ["<think>a b c", "[THINK]a[/THINK]\n", "<tool_call>{}</tool_call>", "a</think>"]
)
def test_a_plain_answer_without_a_response_is_unscored(text: str) -> None:
    for preset in ("robust", "paper", "released"):
        got = score(text, None, preset=preset, chain=False)
        assert (got.mutual_welfare, got.user_welfare, got.reward) == (None, None, None)
        assert str(got.unscored).startswith("no response")
        assert got.tokens["total"] == len(text.split())
        # Whoever was asked for a chain has written none: that is worth 0.
        chain = score(text, None, preset=preset)
        assert (chain.mutual_welfare, chain.unscored) == (0, None)
        assert chain.chain_error is not None
    assert score("", None, chain=False).unscored == "no verdict"


def test_a_question_without_its_ground_truth_is_unscored_and_not_0() -> None:
    asked = Question("q", "medium", ({"role": "user", "content": "Write."},), "", "c")
    released = Reward(RewardConfig(preset="released", chain=False))
    verdict = Verdict("j", 4.0, "fine")
    scores = released.score([asked], released.read(["A text."]), [verdict])
    assert scores[0].mutual_welfare is None
    assert scores[0].unscored == "the question has no ground truth"


def test_a_plain_answer_and_a_chain_of_the_same_length_tie_without_the_chains_terms() -> None:
    words = len(CHAIN.split())
    plain = score("Four. " * words, chain=False)
    assert plain.answer_llm_welfare == pytest.approx(score().answer_llm_welfare)


# --- aggregates --------------------------------------------------------------------------------


def test_aggregates() -> None:
    both = score()
    user, llm = both.user_welfare or 0, both.llm_welfare or 0
    assert score(aggregate="user").reward == user
    assert score(aggregate="llm").reward == llm
    assert score(aggregate="linear").reward == pytest.approx((user + llm) / 2)
    assert score(aggregate="ces", rho=1).reward == pytest.approx((user + llm) / 2)
    assert score(aggregate="ces", rho=0).reward == pytest.approx(both.reward)
    assert score(aggregate="ces", rho=-math.inf).reward == min(user, llm)
    assert all(
        score(aggregate=name).mutual_welfare == both.mutual_welfare
        for name in ("user", "llm", "linear", "ces")
    )


@given(st.floats(0, 1), st.sampled_from(["Four.", "four " * 300]), st.floats(-5, 1))
def test_aggregates_lie_between_the_sides(quality: float, answer: str, rho: float) -> None:
    completion = render("t", PAYOFF, "Choose VQ_CQ.", answer)
    verdict = Verdict("test", quality, "")
    for aggregate in ("cobb_douglas", "linear", "ces"):
        got = score(completion, verdict, ask("other"), aggregate=aggregate, rho=rho)
        sides = sorted((got.user_welfare or 0, got.llm_welfare or 0))
        assert got.reward is not None
        assert sides[0] - 1e-9 <= got.reward <= sides[1] + 1e-9
        assert sides[0] >= 0
        assert sides[1] <= 1 + 1e-9


def test_a_weight_of_0_does_not_need_its_factor() -> None:
    keys: dict[str, Any] = {"user": {"quality": 0.0}, "llm": {"quality": 0.0}}
    got = score(verdict=None, **keys)
    assert got.mutual_welfare is not None


def test_to_json_is_plain_data() -> None:
    record = json.loads(json.dumps(score().to_json()))
    assert record["chain"]["response"] == "Four."
    assert record["factors"]["solution"] == 1
    assert "reward" not in record
    assert score("x").to_json()["chain"] is None


def test_each_number_of_a_score_is_stated_once() -> None:
    sides = ("user_welfare", "llm_welfare", "mutual_welfare")
    answers = ("answer_llm_welfare", "answer_mutual_welfare")
    assert sides == WELFARE
    assert (*WELFARE, *answers, "reward") == NUMBERS
    assert ("user_welfare", *answers) == PLAIN_WELFARE
    columns = {field.name for field in fields(Scores)}
    assert set(NUMBERS) <= columns
    known = {field.name for field in fields(Transcript)}
    assert set(NUMBERS) - known == {"reward"}
