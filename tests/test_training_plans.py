"""What runs of sft and rl would take, told without a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataset_rows import row, write
from gtalign.errors import DataError
from gtalign.training import rl_run, sft_run
from gtalign.training.rl_run import RLRun
from gtalign.training.sft_run import SFTRun

SIZE = {"parameters": 1 << 30, "layers": 2, "width": 4, "intermediate": 8, "vocabulary": 16}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write(tmp_path / "set-train.jsonl", [row(f"{n}+1?") for n in range(6)])


def rl(questions: Path, **settings: Any) -> dict[str, Any]:
    steps = {"steps": 3, "questions": 2, "group": 4, **settings.pop("rl", {})}
    given = {"model": "m", "questions": [questions], "rl": steps, "size": SIZE, **settings}
    return rl_run.plan(RLRun.model_validate(given))


def test_rl_counts_its_completions_whatever_the_questions(questions: Path) -> None:
    found = rl(questions)
    assert (found["questions"], found["completions"]) == (6, 3 * 2 * 4)
    few = rl(questions, limit=2)
    assert (few["questions"], few["completions"]) == (2, found["completions"])


def test_a_reference_model_is_kept_for_a_penalty_on_all_weights_only(questions: Path) -> None:
    penalty = {"beta": 0.1}
    assert "reference" not in rl(questions)["memory_gib"]
    assert "reference" in rl(questions, rl=penalty)["memory_gib"]
    low = rl(questions, rl={**penalty, "lora": {"rank": 2}})
    assert "reference" not in low["memory_gib"]  # the weights without their update are one
    assert low["learns"] == "LoRA of rank 2"


def test_what_vllm_takes_of_the_gpu_is_told_beside_the_rest(questions: Path) -> None:
    served = rl(questions, rl={"vllm": True, "vllm_memory": 0.25, "hardware": {"gpu": True}})
    assert served["generation"] == "vLLM, colocated"
    assert served["memory_of_vllm"].startswith("25% of the GPU")
    assert "memory_of_vllm" not in rl(questions)


def test_parts_of_a_batch_take_less_memory_than_the_batch(questions: Path) -> None:
    whole = rl(questions)["memory_gib"]
    parts = rl(questions, rl={"hardware": {"accumulation": 4}})["memory_gib"]
    assert parts["activations"] == pytest.approx(whole["activations"] / 4)
    assert parts["weights"] == whole["weights"]


def test_no_question_is_no_run(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(DataError, match="it holds no question"):
        rl(empty)


def test_sft_counts_steps_and_the_answers_on_the_way(tmp_path: Path, questions: Path) -> None:
    examples = tmp_path / "kept.jsonl"
    rows = [{**row(f"{n}+1?"), "completion": str(n + 1)} for n in range(5)]
    examples.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    given: dict[str, Any] = {
        "model": "m",
        "data": [examples],
        "sft": {"batch": 2, "epochs": 2},
        "held_out": {"questions": [questions], "every": 4, "limit": 3},
    }
    found = sft_run.plan(SFTRun.model_validate(given))
    assert (found["examples"], found["steps"]) == (5, 6)
    assert found["held_out_answers"] == 2 * 3  # after step 4, and at the end
    assert "memory_gib" not in found  # nobody said how large the model is
    packed = {**given, "sft": {**given["sft"], "packing": True}, "held_out": {}}
    found = sft_run.plan(SFTRun.model_validate(packed))
    assert (found["steps"], found["held_out_answers"]) == ("at most 6", 0)
