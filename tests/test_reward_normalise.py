"""Per-task normalisation: the eight ways, as a batch and running."""

import inspect
import json
import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.config import dump, load
from gtalign.errors import ConfigError, DataError
from gtalign.reward import NormaliseConfig, RunningNormaliser, normalise
from gtalign.reward.normalise import LARGEST, Method
from gtalign.tasks import Message, Question
from gtalign.training import NormalisedReward

METHODS: tuple[Method, ...] = get_args(Method)
X = [0.1, 0.4, 0.4, 0.9]
Y = [0.0, 1.0]
BATCH = [*X, None, *Y]
TASKS = ["math"] * 5 + ["safety"] * 2

rewards = st.lists(st.floats(-5, 5), min_size=1, max_size=40)
batches = st.lists(
    st.tuples(st.floats(0, 1) | st.none(), st.sampled_from(["a", "b", "c"])), max_size=60
)


def run(method: Method, values: list[Any], tasks: list[str], **more: Any) -> list[float | None]:
    return normalise(values, tasks, NormaliseConfig(method=method, **more))


def known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def by_hand(method: Method) -> list[float]:
    """The rewards of the task math in `BATCH`, from the formulas one by one."""
    x, pooled = np.array(X), np.array(X + Y)
    mean, share = x.mean(), np.array([0.125, 0.5, 0.5, 0.875])
    if method == "zscore":
        return list((x - mean) / np.sqrt(((x - mean) ** 2).mean()))
    if method == "minmax":
        return list((x - 0.1) / 0.8)
    if method == "robust":
        low, high = np.percentile(x, [1, 99])
        kept = np.clip(x, low, high)
        mad = np.median(abs(kept - 0.4))
        return list(np.tanh((kept - 0.4) / (1.4826 * mad) / 2))
    if method == "cdf":
        return list(2 * share - 1)
    if method == "quantile":
        return list(np.quantile(pooled, share))
    if method == "shrinkage":
        weight = 4 / 54
        centre = weight * mean + (1 - weight) * pooled.mean()
        return list((x - centre) / np.sqrt(weight * x.var() + (1 - weight) * pooled.var()))
    if method == "centre":
        return list((x - mean) / pooled.std())
    return list(np.tanh((x - mean) / 2))


@pytest.mark.parametrize("method", METHODS)
def test_each_formula(method: Method) -> None:
    found = run(method, BATCH, TASKS)
    assert found[4] is None
    assert found[:4] == pytest.approx(by_hand(method))


def test_z_scores_have_mean_0_and_deviation_1_per_task() -> None:
    found = run("zscore", BATCH, TASKS)
    for part in (known(found[:5]), known(found[5:])):
        assert np.mean(part) == pytest.approx(0)
        assert np.std(part) == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 3])
def test_a_constant_batch(method: Method, count: int) -> None:
    """One task alone: nothing tells its rewards apart. 0.1 three times has a mean above 0.1."""
    middle = {"minmax": 0.5, "quantile": 0.1}.get(method, 0.0)
    assert run(method, [0.1] * count, ["a"] * count) == pytest.approx([middle] * count)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_known(method: Method) -> None:
    assert run(method, [None, None], ["a", "b"]) == [None, None]
    assert run(method, [], []) == []


def test_most_rewards_alike() -> None:
    """The MAD is 0, but they are not constant: the deviation stands in for it."""
    found = known(run("robust", [0.0] * 9 + [1.0], ["a"] * 10))
    assert found[9] > 0.5 > found[0] == found[8]


def test_an_outlier_is_winsorised() -> None:
    plain = [i / 100 for i in range(200)]
    tasks = ["a"] * 200
    wild = [*plain[:-1], 1e6]
    assert run("robust", wild, tasks)[:150] == pytest.approx(
        run("robust", plain, tasks)[:150], abs=0.01
    )


@pytest.mark.parametrize("method", METHODS)
@given(values=rewards)
def test_order_is_kept(method: Method, values: list[float]) -> None:
    found = known(run(method, [*values, 0.0, 1.0], ["a"] * len(values) + ["b", "b"]))
    for i, j in zip(*np.triu_indices(len(values), 1), strict=True):
        if values[i] <= values[j]:
            assert found[i] <= found[j] + 1e-12
        else:
            assert found[j] <= found[i] + 1e-12


@pytest.mark.parametrize("method", METHODS)
@given(values=rewards)
def test_bounds(method: Method, values: list[float]) -> None:
    found = known(run(method, values, ["a"] * len(values)))
    assert all(math.isfinite(value) for value in found)
    if method in ("robust", "cdf", "tanh"):
        assert all(-1 <= value <= 1 for value in found)
    if method == "minmax":
        assert all(0 <= value <= 1 for value in found)
    if method == "quantile":  # it maps into what was seen
        assert all(min(values) <= value <= max(values) for value in found)


@pytest.mark.parametrize("method", METHODS)
@given(batch=batches)
def test_the_running_form_ends_where_the_batch_form_is(
    method: Method, batch: list[tuple[float | None, str]]
) -> None:
    values, tasks = [v for v, _ in batch], [t for _, t in batch]
    config = NormaliseConfig(method=method)
    running = RunningNormaliser(config)
    one_by_one = [running([value], [task])[0] for value, task in batch]
    assert [v is None for v in one_by_one] == [v is None for v in values]
    # After one pass everything that the batch form knows is remembered; the last reward shows it.
    whole = normalise(values, tasks, config)
    if values and values[-1] is not None:
        assert one_by_one[-1] == pytest.approx(whole[-1], abs=1e-12)
    assert known(RunningNormaliser(config)(values, tasks)) == pytest.approx(known(whole), abs=1e-12)


def test_the_running_form_forgets_what_left_its_window() -> None:
    config = NormaliseConfig(method="zscore", window=4)
    running = RunningNormaliser(config)
    for value in [100.0, -100.0, *X]:
        last = running([value], ["a"])
    assert last == [normalise(X, ["a"] * 4, config)[-1]]
    assert running.state() == {"a": X}


def test_a_batch_larger_than_the_window() -> None:
    config = NormaliseConfig(method="minmax", window=2)
    # Only 0.4 and 0.9 are remembered; what lies outside of them is held at the ends.
    assert RunningNormaliser(config)([0.1, 0.4, 0.9], ["a"] * 3) == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_goes_on_where_it_was(method: Method) -> None:
    config = NormaliseConfig(method=method, window=3)
    first, resumed = RunningNormaliser(config), RunningNormaliser(config)
    first(BATCH, TASKS)
    resumed.restore(json.loads(json.dumps(first.state())))
    assert resumed([0.3], ["math"]) == first([0.3], ["math"])
    with pytest.raises(DataError, match="reward 0, of task 'a', is nan"):
        resumed.restore({"a": [math.nan]})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 2 * LARGEST])
def test_what_is_no_reward_is_refused_and_not_remembered(wrong: float) -> None:
    running = RunningNormaliser(NormaliseConfig())
    with pytest.raises(DataError, match=r"reward 1, of task 'b', is .*finite"):
        running([0.5, wrong], ["a", "b"])
    assert running.state() == {}


def test_the_largest_rewards_do_not_overflow() -> None:
    for method in METHODS:
        found = known(run(method, [LARGEST, -LARGEST, 0.0], ["a"] * 3))
        assert all(math.isfinite(value) for value in found)


def test_each_reward_needs_a_task() -> None:
    with pytest.raises(DataError, match="2 rewards have 1 tasks"):
        run("zscore", [1.0, 2.0], ["a"])


def test_the_config() -> None:
    assert load(NormaliseConfig).method == "zscore"
    with pytest.raises(ConfigError, match="method"):
        load(NormaliseConfig, overrides=["method=zscores"])
    assert "window = 4096" in dump(NormaliseConfig())


def column(task: str) -> str:
    message = Message(role="user", content="2+2?")
    return json.dumps(Question("q", task, (message,), "4", "c").to_json())


class Inner:
    """Stands for `TRLReward`: an async callable with a name."""

    __name__ = "mutual"

    def __init__(self, values: list[float | None]) -> None:
        self.values = values
        self.calls: list[dict[str, Any]] = []

    async def __call__(
        self, prompts: Any, completions: Any, completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        self.calls.append(columns)
        return self.values


async def test_the_wrapper_for_trl() -> None:
    inner = Inner(list(BATCH))
    function = NormalisedReward(inner, NormaliseConfig())
    assert inspect.iscoroutinefunction(function.__call__)
    assert function.__name__ == "mutual"
    metrics: dict[str, float] = {}
    questions = [column(task) for task in TASKS]
    names = ["p"] * len(BATCH)
    found = await function(
        names, names, question=questions, log_metric=metrics.__setitem__, other=[1]
    )
    assert found == normalise(BATCH, TASKS, NormaliseConfig())
    assert metrics == {"raw_reward": pytest.approx(np.mean(X + Y))}
    assert inner.calls[0]["other"] == [1]
    assert inner.calls[0]["question"] == questions
    # The batch form has no memory, the running form has.
    assert await function(names, names, question=questions) == found
    running = NormalisedReward(inner, NormaliseConfig(running=True, window=5))
    await running(names, names, question=questions)
    assert running.running.state() == {"math": X, "safety": Y}


async def test_the_wrapper_needs_the_questions() -> None:
    with pytest.raises(DataError, match="no column 'question'"):
        await NormalisedReward(Inner([1.0]), NormaliseConfig())(["p"], ["c"])
