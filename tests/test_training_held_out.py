"""Held-out questions during training: when they are answered, and what a line says of them."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gtalign.errors import JudgeError
from gtalign.judges import FakeJudge
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.training.held_out import HeldOut

QUESTIONS = [
    Question(f"q{n}", "math-hard", (Message(role="user", content=f"{n}+1?"),), "1", f"c{n}")
    for n in range(4)
]


class Judge(FakeJudge):
    """A scripted judge that counts how often its connections are closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


class Model:
    """A model of which only the mode matters."""

    def __init__(self) -> None:
        self.training = True

    def train(self, mode: bool) -> None:
        self.training = mode


def held_out(folder: Path, judge: FakeJudge | None = None, **changes: Any) -> HeldOut:
    def answer(model: Any, asked: Sequence[Question]) -> list[str]:
        model.training = False  # as generating does
        torch.rand(3)
        return [f"It is {n}." for n, _ in enumerate(asked)]

    given: dict[str, Any] = {
        "questions": QUESTIONS,
        "answer": answer,
        "reward": Reward(RewardConfig(chain=False)),
        "judges": judge or Judge(1.0),
        "file": folder / "held_out.jsonl",
        "every": 2,
        **changes,
    }
    return HeldOut(**given)


def end(callback: HeldOut, step: int, last: int = 5, model: Any = None) -> None:
    state: Any = SimpleNamespace(global_step=step, max_steps=last)
    callback.on_step_end(None, state, None, model=model or Model())


def lines(callback: HeldOut) -> list[dict[str, Any]]:
    return [json.loads(line) for line in callback.file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (9, [5])]
)
def test_they_are_answered_every_so_many_steps_and_at_the_end(
    every: int, steps: list[int], tmp_path: Path
) -> None:
    callback = held_out(tmp_path, every=every)
    for step in range(1, 6):
        end(callback, step)
    assert [line["step"] for line in lines(callback)] == steps


def test_training_goes_on_as_if_nobody_had_asked(tmp_path: Path) -> None:
    model = Model()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    end(held_out(tmp_path), 2, model=model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    model.training = False
    end(held_out(tmp_path), 2, model=model)
    assert model.training is False


def test_a_line_has_the_means_of_what_is_known(tmp_path: Path) -> None:
    scores = {"q0": 1.0, "q1": 0.0, "q2": 1.0, "q3": 1.0}
    callback = held_out(tmp_path, Judge(lambda question, _: scores[question.id]))
    end(callback, 2)
    (line,) = lines(callback)
    assert line["factor/quality"] == 0.75
    assert (line["unscored"], line["malformed"]) == (0.0, 0.0)
    assert not [name for name in line if name.startswith("judge_failed")]


def test_a_judge_that_fails_leaves_its_answers_out_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(question: Question, _: str) -> Any:
        return JudgeError("it is down", "timeout") if question.id in ("q1", "q2") else 0.0

    callback = held_out(tmp_path, Judge(judge))
    with caplog.at_level(logging.WARNING):
        end(callback, 2)
    (line,) = lines(callback)
    assert line["unscored"] == 0.5
    assert line["factor/quality"] == 0.0  # of the two that are known
    assert sum(share for name, share in line.items() if name.startswith("judge_failed/")) == 0.5
    (record,) = caplog.records
    assert record.getMessage().startswith("held out: 2 answers are unscored; the last: ")
    assert "it is down" in record.getMessage()


def test_where_no_answer_has_a_score_there_is_no_mean(tmp_path: Path) -> None:
    callback = held_out(tmp_path, Judge(JudgeError("it is down")))
    end(callback, 2)
    (line,) = lines(callback)
    assert line["unscored"] == 1.0
    assert not [name for name in line if name.startswith(("factor/quality", "welfare/"))]


@pytest.mark.parametrize("broken", [False, True])
def test_connections_are_closed_with_the_loop_that_they_belong_to(
    broken: bool, tmp_path: Path
) -> None:
    judge = Judge(ValueError("a bug") if broken else 1.0)
    callback = held_out(tmp_path, judge)
    if broken:
        with pytest.raises(ValueError, match="a bug"):
            end(callback, 2)
    else:
        end(callback, 2)
    assert judge.closed == 1


@pytest.mark.parametrize(("resumed", "kept"), [(0, []), (3, [2]), (4, [2, 4]), (9, [2, 4, 5])])
def test_a_resumed_run_keeps_the_lines_before_its_checkpoint(
    resumed: int, kept: list[int], tmp_path: Path
) -> None:
    callback = held_out(tmp_path)
    for step in (2, 4, 5):
        end(callback, step)
    with callback.file.open("a") as file:
        file.write('{"step": 6, "fac')
    state: Any = SimpleNamespace(global_step=resumed, max_steps=9)
    callback.on_train_begin(None, state, None)
    assert [line["step"] for line in lines(callback)] == kept
