"""Training on preferences: pairs are read, a student learns them, and a run is told of."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gtalign.cli import main
from gtalign.config import dump
from gtalign.errors import ConfigError, DataError
from gtalign.synthesis import read_preferences
from gtalign.training.dpo_run import DPORun, plan
from gtalign.training.metrics import read_metrics
from train_parts import CHAIN, make_student

pytestmark = pytest.mark.filterwarnings("default")  # torch and TRL warn of things we cannot change

RIGHT = CHAIN
WRONG = CHAIN.replace("Which one?", "It is 1950.").replace("VQ_CQ.", "DQ_DA.")


def row(number: int, **columns: Any) -> dict[str, Any]:
    prompt = [{"role": "user", "content": f"Who owns bank {number}?"}]
    return {"prompt": prompt, "chosen": RIGHT, "rejected": WRONG, **columns}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("student"))


def config_of(folder: Path, model: Path | str, data: Path, **dpo: Any) -> str:
    steps = {"batch": 2, "max_length": 512, "learning_rate": 1e-2, "save_steps": 2, **dpo}
    settings = DPORun.model_validate({"model": str(model), "data": [data], "dpo": steps})
    (folder / "dpo.toml").write_text(dump(settings))
    return str(folder / "dpo.toml")


def likelihood(checkpoint: Path, answer: str) -> float:
    """Log-probability of an answer to the first question."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32")
    text = tokenizer.apply_chat_template(
        [*row(0)["prompt"], {"role": "assistant", "content": answer}], tokenize=False
    )
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        logits = model(ids).logits.log_softmax(-1)
    return float(logits[0, :-1].gather(-1, ids[0, 1:, None]).sum())


@pytest.mark.parametrize("more", [{}, {"lora": {"rank": 2}}])
def test_a_student_learns_to_prefer_and_goes_on(
    student: Path, tmp_path: Path, capsys: Any, more: dict[str, Any]
) -> None:
    data = write(tmp_path / "pairs.jsonl", [row(n) for n in range(4)])
    command = ["dpo", "--config", config_of(tmp_path, student, data, epochs=3, **more)]
    out = tmp_path / "run"
    assert main([*command, "--out", str(out), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["pairs"], first["too_long"]) == (4, 0)
    [line] = read_metrics(out / "metrics.jsonl")[-1:]
    assert line["rewards/margins"] > 0 and (out / "report.html").exists()
    before, after = (
        likelihood(one, RIGHT) - likelihood(one, WRONG) for one in (student, out / "checkpoint")
    )
    assert after > before
    assert main([*command, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert main([*command, "--out", str(out), "--set", "seed=1"]) == 2


def test_pairs_that_are_too_long_are_left_out(
    student: Path, tmp_path: Path, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    long = CHAIN.replace(">t<", f">{'so ' * 400}<")
    data = write(tmp_path / "pairs.jsonl", [row(0), row(1), row(2, chosen=long)])
    command = ["dpo", "--config", config_of(tmp_path, student, data), "--json", "--out"]
    with caplog.at_level(logging.WARNING):
        assert main([*command, str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["too_long"] == 1
    assert "1 of 3 pairs are longer than dpo.max_length = 512" in caplog.text
    write(data, [row(2, chosen=long)])
    assert main([*command, str(tmp_path / "other")]) == 2
    assert "all 1 pairs are longer" in capsys.readouterr().err


def said(text: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]


def test_both_forms_of_a_pair_are_read(tmp_path: Path) -> None:
    rows = [row(0), row(1, chosen=said("yes"), rejected=said("no"))]
    rows[1]["extra_info"] = {"source_id": "q1"}
    first, second = read_preferences(write(tmp_path / "pairs.jsonl", rows))
    assert (first.chosen, first.rejected, first.name) == (RIGHT, WRONG, "pairs.jsonl, line 1")
    assert (second.chosen, second.rejected, second.name) == ("yes", "no", "q1")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"chosen": None}, "'chosen' has to be text"),
        ({"rejected": " "}, "'rejected' has to be text"),
        ({"rejected": 3}, "'rejected' has to be text"),
        ({"chosen": said("a") + said("b")}, "'chosen' has to be one message of the assistant"),
        ({"chosen": [{"role": "user", "content": "a"}]}, "one message of the assistant"),
        ({"rejected": RIGHT}, "are the same"),
        ({"prompt": None}, "prompt"),
        ({"chosen": [[]]}, "chosen"),
    ],
)
def test_a_wrong_pair_is_named(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    file = write(tmp_path / "pairs.jsonl", [row(0), row(1, **columns)])
    with pytest.raises(DataError, match=r"pairs\.jsonl, line 2: ") as raised:
        list(read_preferences(file))
    assert says in str(raised.value)


def test_a_plan_counts_the_steps_and_the_copy_of_the_start(tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.jsonl", [row(n) for n in range(5)])
    size = {"parameters": 1 << 30, "layers": 2, "width": 4, "intermediate": 8, "vocabulary": 16}
    given = {"model": "m", "data": [data], "dpo": {"batch": 2, "epochs": 2}, "size": size}
    found = plan(DPORun.model_validate(given))
    assert (found["pairs"], found["steps"], found["learns"]) == (5, 6, "all weights")
    assert "reference" in found["memory_gib"]
    low = DPORun.model_validate({**given, "dpo": {"lora": {"rank": 2}}})
    assert "reference" not in plan(low)["memory_gib"]
    empty = write(tmp_path / "empty.jsonl", [])
    with pytest.raises(DataError):
        plan(DPORun.model_validate({**given, "data": [empty]}))
    with pytest.raises(DataError, match="no such file; gtalign synth writes pairs"):
        plan(DPORun.model_validate({**given, "data": [tmp_path / "none.jsonl"]}))


def test_a_batch_is_cut_evenly() -> None:
    with pytest.raises((ConfigError, ValueError), match="a multiple of"):
        DPORun.model_validate(
            {"model": "m", "data": ["x"], "dpo": {"batch": 3, "hardware": {"accumulation": 2}}}
        )
