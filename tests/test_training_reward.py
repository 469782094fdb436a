"""The callable for TRL."""

import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gtalign.chain import render
from gtalign.errors import DataError, JudgeError, StorageError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import FakeJudge
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.training.reward import TRLReward
from gtalign.transcripts import read_transcripts
from one_score import score_one

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Four.")
QUESTION = Question("q1", "math-hard", (Message(role="user", content="2+2?"),), "4", "c1")
COLUMN = json.dumps(QUESTION.to_json())


async def call(function: TRLReward, completions: list[Any], **kwargs: Any) -> list[float | None]:
    count = len(completions)
    return await function(
        prompts=["p"] * count,
        completions=completions,
        completion_ids=[[1]] * count,
        question=[COLUMN] * count,
        **kwargs,
    )


def test_trl_recognises_it() -> None:
    function = TRLReward(Reward(RewardConfig(aggregate="linear")), FakeJudge())
    # What TRL looks at to tell an async callable from others, and to name its metric.
    assert inspect.iscoroutinefunction(function.__call__)
    assert function.__name__ == "linear"


async def test_it_scores_texts_and_conversations_alike() -> None:
    judge = FakeJudge(1.0)
    function = TRLReward(Reward(), judge)
    conversation = [{"role": "assistant", "content": CHAIN}]
    rewards = await call(function, [CHAIN, conversation, "broken"], other_column=[1, 2, 3])
    assert (
        rewards[0] == rewards[1] == score_one(Reward(), QUESTION, CHAIN, await judge_once()).reward
    )
    assert rewards[2] == 0
    # What cannot be read never reaches the judge; what can is only its response.
    assert [response for _, response in judge.calls] == ["Four.", "Four."]


async def judge_once() -> Any:
    return await FakeJudge(1.0).judge(QUESTION, "Four.")


async def test_an_empty_message_is_no_chain() -> None:
    assert await call(TRLReward(Reward(), FakeJudge()), [[{"role": "assistant"}]]) == [0]


async def test_it_logs_every_factor() -> None:
    metrics: dict[str, float] = {}
    extra: dict[str, list[Any]] = {}
    await call(
        TRLReward(Reward(RewardConfig(preset="paper")), FakeJudge(1.0)),
        [CHAIN, "broken"],
        log_metric=metrics.__setitem__,
        log_extra=extra.__setitem__,
    )
    assert metrics["factor/format"] == 0.5
    assert metrics["factor/quality_user"] == 0.5
    assert metrics["malformed"] == 0.5
    assert metrics["unscored"] == 0
    assert metrics["tokens"] == (len(CHAIN.split()) + 1) / 2
    assert 0 < metrics["welfare/mutual_welfare"] < 0.5
    assert extra["mutual_welfare"][1] == 0


async def test_it_writes_one_transcript_a_completion(tmp_path: Path) -> None:
    log = tmp_path / "run" / "transcripts.jsonl"
    function = TRLReward(Reward(), FakeJudge(1.0), log)
    state = SimpleNamespace(global_step=7)
    await call(function, [CHAIN, "broken \ud800"], trainer_state=state)
    await call(function, [CHAIN], trainer_state=state)
    good, broken, _ = read_transcripts(log)
    assert good.id == "q1"
    assert good.extra["step"] == 7
    assert good.factors["solution"] == 1
    assert good.verdicts[0].judge == "fake"
    assert good.chain is not None
    assert broken.chain_error is not None
    assert broken.verdicts == ()
    # As any other transcript is written.
    with log.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    assert records == [found.to_json() for found in read_transcripts(log)]
    assert [list(record) for record in records] == [list(good.to_json())] * 3


async def test_the_share_that_a_judge_failed_on_is_of_those_that_it_was_asked_about() -> None:
    """Of three completions one cannot be read, so that nobody is asked about it."""

    def says(question: Question, response: str) -> float:
        if response == "odd":
            raise JudgeError("down", "connection")
        return 1.0

    metrics: dict[str, float] = {}
    odd = CHAIN[: CHAIN.index("<response>")] + "<response>odd</response>"
    await call(
        TRLReward(Reward(RewardConfig(preset="paper")), FakeJudge(says)),
        [CHAIN, odd, "broken"],
        log_metric=metrics.__setitem__,
    )
    assert metrics["judge_failed/connection"] == 0.5
    assert metrics["unscored"] == metrics["malformed"] == pytest.approx(1 / 3)


async def test_a_judge_that_fails_leaves_none() -> None:
    answers = iter([JudgeError("down"), 1.0, None])
    judge = FakeJudge(lambda question, response: next(answers))
    metrics: dict[str, float] = {}
    rewards = await call(TRLReward(Reward(), judge), [CHAIN] * 3, log_metric=metrics.__setitem__)
    assert rewards[0] is None
    assert rewards[1] is not None
    assert rewards[2] is None
    assert metrics["unscored"] == pytest.approx(2 / 3)
    assert metrics["factor/quality"] == 1


async def test_endless_reasoning_is_worth_nothing_in_training(tmp_path: Path) -> None:
    judge, log = FakeJudge(1.0), tmp_path / "log.jsonl"
    function = TRLReward(Reward(RewardConfig(chain=False)), judge, log)
    first, second = await call(function, ["<think>and so on", "<think>Hm.</think>Four."])
    assert first == 0 and second is not None and second > 0
    assert [response for _, response in judge.calls] == ["Four."]
    written, _ = read_transcripts(log)  # its score is unknown all the same
    assert (written.mutual_welfare, written.extra["reward"]) == (None, 0.0)
    assert str(written.unscored).startswith("no response")


async def test_a_verdict_outside_the_range_leaves_none() -> None:
    answers = iter([9.0, 1.0])
    judge = FakeJudge(lambda question, response: next(answers))
    rewards = await call(TRLReward(Reward(), judge), [CHAIN] * 2)
    assert rewards[0] is None
    assert rewards[1] is not None


async def test_a_judge_that_always_fails_stops_the_run() -> None:
    with pytest.raises(JudgeError, match=r"all 2 completions: .*'q1': down"):
        await call(TRLReward(Reward(), FakeJudge(JudgeError("down"))), [CHAIN] * 2)


async def test_a_bug_of_the_judge_is_no_verdict() -> None:
    with pytest.raises(KeyError):
        await call(TRLReward(Reward(), FakeJudge(KeyError("bug"))), [CHAIN])


async def test_the_column_is_needed() -> None:
    with pytest.raises(DataError, match="'question'"):
        await TRLReward(Reward(), FakeJudge())(["p"], [CHAIN], [[1]])


async def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        await call(TRLReward(Reward(), FakeJudge(), tmp_path / "file" / "log.jsonl"), [CHAIN])
