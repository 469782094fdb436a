"""The lab's loop on SmolLM2-135M: every stage once, at the smallest size."""

import json
from pathlib import Path

import pytest

from gtalign.cli import main
from gtalign.transcripts import read_transcripts

# The trainers complain of their own habits.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(3600)]

ARMS = ("as-is", "guided", "sft", "mutual")
SMALLEST = (
    f"arms={json.dumps(ARMS)}",
    "workers=1",
    "world.train_items=2",
    "world.test_items=1",
    "experiment.test_batch=14",
    "experiment.rl.steps=1",
    "experiment.rl.max_completion=400",
    "experiment.rl.counterfactual=1.0",
    "steering.questions=1",
    "faithfulness.limit=1",
)


def test_the_whole_loop_runs_and_goes_on(tmp_path: Path) -> None:
    def lab(*changes: str) -> int:
        given = [part for change in (*SMALLEST, *changes) for part in ("--set", change)]
        return main(["lab", "--config", "smollm-quick", "--out", str(tmp_path / "run"), *given])

    assert lab() == 0
    seed = tmp_path / "run" / "seed-0"
    for arm in ARMS:
        assert len(list(read_transcripts(seed / arm / "transcripts.jsonl"))) == 14
    # The grammar lets the model write chains before it has learned any. Not every one is finished
    # when its tokens are used up: the model does not know when to end a response.
    guided = list(read_transcripts(seed / "guided" / "transcripts.jsonl"))
    assert any(t.chain is not None for t in guided)
    for unfinished in (t for t in guided if t.chain is None):
        assert "<response> is not closed" in (unfinished.chain_error or "")
    weights = (seed / "mutual" / "checkpoint" / "model.safetensors").read_bytes()

    assert lab("experiment.rl.steps=2") == 0
    kept = seed / "mutual" / "after-1-steps" / "checkpoint" / "model.safetensors"
    assert kept.read_bytes() == weights
