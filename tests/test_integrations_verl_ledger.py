"""What the workers of a run share: neutral values, statistics per task, and when it stops."""

import pytest

from gtalign.errors import JudgeError
from gtalign.integrations.verl.ledger import MEASURES, UNKNOWN, Ledger, SampleResult
from gtalign.judges.failures import Failure
from gtalign.reward import NormaliseConfig, normalise

FAILED = Failure("timeout", "judge 'judge', question 'q': no answer", broken=True)


def scored(reward: float, task: str = "a", *, learned: bool = True) -> SampleResult:
    return SampleResult(
        task, reward, reward + 0.1, reward + 0.2, reward, asked=True, learned=learned
    )


def failed(task: str = "a") -> SampleResult:
    return SampleResult(task, None, None, None, None, asked=True, failure=FAILED)


def test_a_known_sample_keeps_its_numbers() -> None:
    found = Ledger(0.5, 4).settle(scored(0.3))
    assert found == pytest.approx(
        {
            "score": 0.3,
            "raw_score": 0.3,
            "user_welfare": 0.4,
            "llm_welfare": 0.5,
            "mutual_welfare": 0.3,
            "unscored": 0.0,
        }
    )


def test_what_a_judge_failed_on_is_the_middle_of_its_range_at_first() -> None:
    found = Ledger(1.0, 4).settle(failed())
    assert found == {**dict.fromkeys(MEASURES, UNKNOWN), "unscored": 1.0}


def test_what_a_judge_failed_on_is_the_mean_of_its_task() -> None:
    ledger = Ledger(1.0, 8)
    for outcome in (scored(0.2), scored(0.4), scored(0.9, "b")):
        ledger.settle(outcome)
    found = ledger.settle(failed())
    assert (found["score"], found["user_welfare"]) == pytest.approx((0.3, 0.4))
    assert ledger.settle(failed("c"))["raw_score"] == pytest.approx(0.5)  # of all tasks
    assert ledger.settle(failed())["score"] == pytest.approx(0.3)  # neutral ones change nothing


def test_an_answer_that_says_nothing_has_no_other_measure_than_its_reward() -> None:
    found = Ledger(0.5, 4).settle(SampleResult("a", 0.0, None, None, None))
    assert found == {**dict.fromkeys(MEASURES, 0.0), "unscored": 0.0}


@pytest.mark.parametrize("method", ["zscore", "minmax", "centre", "cdf"])
@pytest.mark.parametrize("tasks", ["aaaaaa", "ababba", "abcabc"])
def test_samples_one_at_a_time_end_as_the_batch_does(method: str, tasks: str) -> None:
    """The last sample is normalised by all of the batch, as TRL would."""
    config = NormaliseConfig.model_validate({"method": method})
    rewards = [0.1, 0.9, 0.4, 0.8, 0.3, 0.7]
    ledger = Ledger(0.5, 64, config)
    found = [ledger.settle(scored(r, t)) for r, t in zip(rewards, tasks, strict=True)]
    whole = normalise(rewards, list(tasks), config)
    assert found[-1]["score"] == pytest.approx(whole[-1])
    assert [one["raw_score"] for one in found] == rewards


def test_tasks_of_different_difficulty_end_on_one_scale() -> None:
    ledger = Ledger(0.5, 64, NormaliseConfig())
    for n in range(32):
        easy = ledger.settle(scored(0.8 + 0.01 * (n % 5), "easy"))
        hard = ledger.settle(scored(0.1 + 0.01 * (n % 5), "hard"))
        assert easy["score"] == pytest.approx(hard["score"])


def test_a_neutral_sample_is_neutral_after_normalisation_too() -> None:
    ledger = Ledger(1.0, 64, NormaliseConfig())
    scores = [ledger.settle(scored(r))["score"] for r in (0.2, 0.8, 0.5, 0.1)]
    assert ledger.settle(failed())["score"] == pytest.approx(sum(scores) / 4)


def test_what_is_not_learned_is_neither_normalised_nor_remembered() -> None:
    ledger = Ledger(0.5, 64, NormaliseConfig())
    ledger.settle(scored(0.2))
    assert ledger.settle(scored(0.9, learned=False))["score"] == 0.9
    assert ledger.settle(failed())["raw_score"] == pytest.approx(0.2)


def test_too_many_failures_stop_the_run_and_it_stays_stopped() -> None:
    ledger = Ledger(0.5, 4)
    ledger.settle(scored(0.5))
    ledger.settle(failed())
    ledger.settle(failed())
    with pytest.raises(JudgeError, match=r"3 of the latest 4 .*timeout"):
        ledger.settle(failed())
    with pytest.raises(JudgeError, match="3 of the latest 4"):
        ledger.settle(scored(0.9))


def test_an_answer_without_a_judge_is_no_failure() -> None:
    ledger = Ledger(0.0, 2)
    for _ in range(4):
        ledger.settle(SampleResult("a", 0.0, 0.0, 0.0, 0.0))
