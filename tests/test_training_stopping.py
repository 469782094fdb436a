"""A stage of training ends by itself when it is asked to, or diverges."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerControl, TrainerState

from gtalign.errors import Terminated, TrainingError
from gtalign.training.processes import Processes
from gtalign.training.settings import GuardSettings
from gtalign.training.stopping import Guard, _Finite, _Termination, fit


def fed(callback: Any, *logs: dict[str, float]) -> None:
    for step, figures in enumerate(logs, 1):
        callback.on_log(None, TrainerState(global_step=step), TrainerControl(), logs=figures)


def series(name: str, *values: float) -> list[dict[str, float]]:
    return [{name: value} for value in values]


@pytest.mark.parametrize(
    ("logs", "says"),
    [
        (series("welfare/mutual_welfare", 0.4, 0.6, 0.7, 0.3, 0.2), "W collapsed: it is 0.250"),
        (series("malformed", 0.3, 0.1, 0.1, 0.9, 0.7), "80% of the answers .* after 10%"),
        (series("tokens", 100, 120, 300, 300, 400), "350 tokens over the last 2 steps, after 110"),
        (series("kl", 0.1, 0.2, 9, 10, 12), "KL divergence is 11.00 nats"),
    ],
)
def test_a_run_that_diverges_says_how(logs: list[dict[str, float]], says: str) -> None:
    guard = Guard(GuardSettings(window=2))
    fed(guard, *logs[:-1])
    with pytest.raises(TrainingError, match=f"diverged at step 1: .*{says}"):
        fed(guard, logs[-1])


@pytest.mark.parametrize(
    "logs",
    [
        series("welfare/mutual_welfare", 0.0, 0.0, 0.0, 0.0),
        series("welfare/mutual_welfare", 0.6, 0.0, 0.6, 0.0, 0.6),  # noise of single steps
        series("welfare/mutual_welfare", 0.6, 0.6, float("nan"), 0.6),
        series("malformed", 1.0, 1.0, 0.9, 0.8),  # a model that has not learned the form yet
        series("tokens", 300, 200, 100, 100),
        series("kl", 0.0, 30.0, 0.0, 0.0),
        [{}, {"loss": 1.0}],
    ],
)
def test_a_run_that_learns_is_left_alone(logs: list[dict[str, float]]) -> None:
    fed(Guard(GuardSettings(window=2, kl=20)), *logs)


@pytest.mark.parametrize(
    ("name", "start", "limit", "beyond"),
    [
        ("welfare/mutual_welfare", 0.5, 0.25, 0.2499),
        ("malformed", 0.25, 0.75, 0.7501),
        ("tokens", 100.0, 300.0, 300.1),
        ("kl", 0.5, 10.0, 10.1),
    ],
)
def test_the_limit_of_a_guard_is_still_good(
    name: str, start: float, limit: float, beyond: float
) -> None:
    guard = Guard(GuardSettings(window=1))
    fed(guard, *series(name, start, limit, start, limit))
    with pytest.raises(TrainingError, match="diverged at step 1"):
        fed(guard, {name: beyond})


def test_a_guard_waits_until_its_window_is_full_and_compares_with_the_best_mean() -> None:
    tokens = GuardSettings(window=3)
    fed(Guard(tokens), *series("tokens", 10, 900))
    fed(Guard(tokens), *series("tokens", 900, 10, 10, 800))  # means of 307 and 273
    guard = Guard(tokens)
    fed(guard, *series("tokens", 10, 10, 10, 40, 40))  # means of 10, 20 and 30
    with pytest.raises(TrainingError, match="40 tokens over the last 3 steps, after 10"):
        fed(guard, {"tokens": 40})


def test_each_guard_can_be_taken_away() -> None:
    off = GuardSettings(window=1, welfare=0, malformed=1, tokens=float("inf"), kl=float("inf"))
    start = {"welfare/mutual_welfare": 0.9, "malformed": 0.0, "tokens": 1.0, "kl": 0.0}
    end = {"welfare/mutual_welfare": 0.0, "malformed": 1.0, "tokens": 1e9, "kl": 1e9}
    fed(Guard(off), start, end)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_not_finite_ends_training_at_once(name: str, value: float) -> None:
    fed(_Finite(), {"loss": 1.0, "grad_norm": 0.1}, {"entropy": float("nan")})
    with pytest.raises(TrainingError, match=f"the {name} is {value}"):
        fed(_Finite(), {name: value})


@pytest.mark.parametrize(
    ("weight", "error"), [(1.0, RuntimeError), (math.nan, TrainingError), (1e30, TrainingError)]
)
def test_an_error_of_weights_that_are_not_finite_is_divergence(
    weight: float, error: type[Exception], tmp_path: Path
) -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(model.weight, weight)

    def train(**_: Any) -> None:
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")

    trainer: Any = SimpleNamespace(
        model=model,
        train=train,
        state=TrainerState(global_step=3),
        add_callback=lambda _: None,
        is_fsdp_enabled=False,
    )
    chat: Any = None
    says = "at step 3: weights are not finite" if error is TrainingError else "probab"
    with pytest.raises(error, match=says):
        fit(trainer, chat, tmp_path / "checkpoint", tmp_path / "checkpoints", Processes())


def test_a_step_that_takes_too_long_is_given_up_but_not_its_checkpoint() -> None:
    asked, control = _Termination(Processes()), TrainerControl()
    asked.ask()
    asked.be_patient()
    with pytest.raises(Terminated, match="no step ended within 20 s"):
        asked._give_up()
    state = TrainerState(global_step=3)
    state.max_steps = 3
    asked.on_step_end(None, state, control)
    assert not control.should_training_stop  # it is done anyway
    state.max_steps = 9
    asked.on_step_end(None, state, control)
    assert control.should_save and control.should_training_stop
    asked._give_up()
