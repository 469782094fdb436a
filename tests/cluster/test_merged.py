"""What verl saves in parts becomes one checkpoint, which evaluation and the gateway open."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from gtalign.errors import TrainingError
from gtalign.integrations.verl.launch import merged
from gtalign.models.pretrained import load_model, load_tokenizer

PART = Path(__file__).with_name("fsdp_part.py")


SIZE = 2  # processes that hold shares of the weights


def test_parts_of_fsdp_are_merged_into_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    for step in (2, 10):  # by number, not by name: the later one counts
        actor = tmp_path / "checkpoints" / f"global_step_{step}" / "actor"
        actor.mkdir(parents=True)
    given = [str(SIZE), str(tmp_path / "meeting"), str(checkpoint), str(actor)]
    parts = [
        subprocess.Popen([sys.executable, str(PART), str(rank), *given]) for rank in range(SIZE)
    ]
    assert [part.wait() for part in parts] == [0] * SIZE
    folder = merged(tmp_path)
    assert folder == str(tmp_path / "checkpoint")
    before = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16).state_dict()
    after = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    text = "What is 17 and 25?"
    ids = load_tokenizer(folder)(text)["input_ids"]
    assert ids == load_tokenizer(str(checkpoint))(text)["input_ids"]
    assert load_model(folder) is not None


def test_where_there_is_nothing_to_merge_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has saved no checkpoint"):
        merged(tmp_path)
    (tmp_path / "checkpoints" / "global_step_1" / "actor").mkdir(parents=True)
    with pytest.raises(TrainingError, match=r"cannot merge .*global_step_1"):
        merged(tmp_path)
