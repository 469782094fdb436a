"""Scores by the batch: columns and rows, and that no row depends on another."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import PAYOFF, VALID, mutated, valid
from gtalign.chain import parse_batch, render
from gtalign.errors import ChainError, JudgeError
from gtalign.game import USER_LLM
from gtalign.judges import Verdict
from gtalign.models import count_words
from gtalign.reward import FACTORS, PRESETS, Reward, RewardConfig
from gtalign.reward.reading import read_as_released, read_released
from gtalign.tasks import Message, Question
from one_score import score_one

GOOD = Verdict("j", 1.0, "right")
PLAIN = render("t\u00a0t", PAYOFF, "Choose DQ_AQ.", "Four.")
LOOSE = PLAIN.replace('"LLM": 3.0', '"LLM": NaN', 1)
COMPLETIONS = st.one_of(valid(), mutated(), st.sampled_from([PLAIN, LOOSE, VALID, "none", ""]))
VERDICTS = st.sampled_from([None, GOOD, Verdict("j", None, "down"), Verdict("j", 9.0, "?")])
COUNTS = st.sampled_from(
    [None, {"before": 3, "response": 5, "total": 17}, {"total": 3}, {"before": "3"}, {}]
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["math-hard", "wildguard", "other"]),
        COMPLETIONS,
        VERDICTS,
        st.sampled_from([None, 0.0, 1.0]),
        COUNTS,
    ),
    max_size=5,
)
CONFIGS: list[dict[str, Any]] = [
    *({"preset": name} for name in PRESETS),
    {"chain": False},
    {"reading": "tolerant", "aggregate": "linear"},
    {"preset": "paper", "unit": "words", "latency_unit": "words"},
]


def ask(task: str) -> Question:
    return Question("q1", task, (Message(role="user", content="2+2?"),), "unharmful", "c1")


@given(rows=ROWS, counter=st.sampled_from([count_words, len]))
def test_no_row_depends_on_another(rows: list[Any], counter: Any) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    tasks, completions, verdicts, solutions, counts = columns
    questions = [ask(task) for task in tasks]
    for keys in CONFIGS:  # texts take longer to draw than to score
        reward = Reward(RewardConfig(**keys), counter)
        readings = reward.read(completions)
        scores = reward.score(questions, readings, verdicts, solutions, counts)
        assert len(scores) == len(rows)
        for row, score in enumerate(scores):
            alone = (questions[row], completions[row], verdicts[row], solutions[row], counts[row])
            if row in scores.errors:
                with pytest.raises(JudgeError, match=r"9\.0"):
                    score_one(reward, *alone)
                assert score.reward is None
                assert "outside" in (score.unscored or "")
            else:
                assert score == score_one(reward, *alone), keys
        responses = [reward.read([completion]).responses[0] for completion in completions]
        assert list(readings.responses) == responses, keys


def test_columns_are_what_rows_hold() -> None:
    scores = Reward().score(
        [ask("other")] * 3, Reward().read([PLAIN, "none", PLAIN]), [GOOD, GOOD, None]
    )
    assert set(scores.factors) == set(FACTORS)
    for row, score in enumerate(scores):
        held = {name: scores.factors[name][row] for name in FACTORS} | {
            "reward": scores.reward[row]
        }
        for name, value in (dict(score.factors) | {"reward": score.reward}).items():
            assert value is None if math.isnan(held[name]) else value == held[name]
            assert value is None or type(value) is float
        for name, column in scores.tokens.items():
            assert score.tokens.get(name) == (None if math.isnan(column[row]) else column[row])
    assert scores[-1] == scores[2]
    with pytest.raises(IndexError):
        scores[3]


def test_a_row_has_one_of_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        Reward().score([ask("other")], Reward().read([PLAIN, PLAIN]), [None, None])


@given(st.lists(COMPLETIONS, max_size=4), st.booleans())
def test_the_released_reading_of_a_batch(texts: list[str], needs_analyze: bool) -> None:
    chains = parse_batch(texts, tolerant=True)
    before = chains.payoffs_Nmn2.copy()
    readings = read_as_released(chains, needs_analyze)
    assert np.array_equal(chains.payoffs_Nmn2, before, equal_nan=True)
    assert readings.payoffs_Nn2 is not None
    for row, text in enumerate(texts):
        try:
            expected = read_released(text, USER_LLM, needs_analyze)
        except ChainError as error:
            assert readings.responses[row] is None
            assert readings.errors[row] in (str(error), str(chains.errors.get(row)))
            continue
        assert readings.responses[row] == expected.response
        assert text[slice(*readings.spans_N2[row])].strip() == expected.response
        assert readings.before_N[row] == expected.before
        assert readings.well_formed_N[row] == expected.well_formed
        assert np.array_equal(readings.payoffs_Nn2[row], expected.payoffs_n2, equal_nan=True)


@pytest.mark.parametrize("space", ["", " ", "\n", " \n"])
def test_what_follows_the_last_tag_decides_on_the_released_format(space: str) -> None:
    reward = Reward(RewardConfig(preset="released"))
    readings = reward.read([PLAIN + space, space + PLAIN])
    scores = reward.score([ask("other")] * 2, readings, [GOOD] * 2)
    assert scores.factors["format"].tolist() == [not space.startswith(" "), space == ""]
