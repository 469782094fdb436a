"""Judges that fail during training."""

import json
from pathlib import Path

import pytest

from gtalign.errors import JudgeError
from gtalign.judges import EndpointJudge, FakeJudge, JudgeSettings
from gtalign.judges.failures import Failure, Failures, shares
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.training.reward import TRLReward
from gtalign.transcripts import read_transcripts
from judge_server import serve

QUESTION = Question("q1", "math-hard", (Message(role="user", content="2+2?"),), "4", "c1")
COLUMN = json.dumps(QUESTION.to_json())
PLAIN = RewardConfig(chain=False)
TIMEOUT = Failure("timeout", "question 'q1': too slow", broken=True)
UNSCORED = Failure("unscored", "question 'q2': no verdict", broken=False)


def test_failures_are_counted_by_cause() -> None:
    failures = Failures(1.0, 2)
    failures.add([TIMEOUT, None, UNSCORED, TIMEOUT])
    assert failures.counts == {"timeout": 2, "unscored": 1}
    assert shares([TIMEOUT, None, UNSCORED, TIMEOUT]) == {
        "judge_failed/timeout": 0.5,
        "judge_failed/unscored": 0.25,
    }
    assert shares([]) == {}


def test_too_many_failures_stop_the_run() -> None:
    failures = Failures(0.25, 8)
    failures.add([TIMEOUT] * 3)  # too few completions to tell
    failures.add([None] * 4)
    with pytest.raises(JudgeError) as caught:
        failures.add([UNSCORED])
    assert str(caught.value) == (
        "4 of the latest 8 judged answers have no score (3 timeout, 1 unscored); the limit is 25%."
        " The last failure: question 'q2': no verdict"
    )
    assert caught.value.cause == "timeout"


def test_old_failures_are_forgotten() -> None:
    failures = Failures(0.25, 4)
    failures.add([TIMEOUT])
    for _ in range(5):
        failures.add([None] * 3)
        failures.add([TIMEOUT])  # one in four is the limit
    assert failures.counts["timeout"] == 6


@pytest.mark.parametrize("keys", [(-0.1, 4), (1.1, 4), (float("nan"), 4), (0.5, 0)])
def test_settings_that_make_no_sense(keys: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        Failures(*keys)


async def test_the_share_holds_over_batches(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    judge = FakeJudge(lambda question, response: JudgeError("down") if "bad" in response else 1.0)
    function = TRLReward(Reward(PLAIN), judge, log, max_failed=0.5, window=8)
    metrics: dict[str, float] = {}
    for step, batch in enumerate((["bad", "good"], ["bad", "bad", "good"], ["bad", "bad", "good"])):

        async def score(batch: list[str] = batch) -> list[float | None]:
            return await function(
                ["p"] * len(batch),
                batch,
                question=[COLUMN] * len(batch),
                log_metric=metrics.__setitem__,
            )

        if step < 2:
            rewards = await score()
            assert [reward is None for reward in rewards] == ["bad" in text for text in batch]
        else:
            with pytest.raises(JudgeError, match="5 of the latest 8"):
                await score()
    assert metrics["judge_failed/failed"] == pytest.approx(2 / 3)
    assert function.failures.counts == {"failed": 5}
    assert len(list(read_transcripts(log))) == 8  # those of the last batch too


async def test_the_reward_over_a_real_endpoint() -> None:
    replies = iter(['{"reason": "equal", "score": 1}', "?", "?", '{"reason": "other", "score": 0}'])
    async with serve(lambda body: next(replies)) as server:
        settings = JudgeSettings(url=server.url, model="m", concurrency=1)
        async with EndpointJudge(settings) as judge:
            function = TRLReward(Reward(PLAIN), judge)
            rewards = [
                (await function(["p"], [text], question=[COLUMN]))[0]
                for text in ("four " * 300, "hm " * 300, "five " * 300)
            ]
    assert rewards[1] is None
    assert rewards[0] is not None
    assert rewards[2] is not None
    assert rewards[0] > rewards[2]
    assert function.failures.counts == {"unscored": 1}
