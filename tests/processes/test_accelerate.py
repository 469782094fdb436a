"""Training in two processes, as ``accelerate launch`` starts them, on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gtalign.data.rows import read_rows
from gtalign.data.schema import to_row
from gtalign.training.metrics import read_metrics
from teacher_server import write_questions
from train_parts import CHAIN, make_student

pytestmark = pytest.mark.skipif(
    "GTALIGN_ACCELERATE" not in os.environ, reason="starts many processes: make test-accelerate"
)
ALONE = [sys.executable, "-m", "gtalign"]
# With --cpu it would start one process; without a GPU in the configuration, two compute on the CPU.
TWO = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
TWO += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "gtalign"]
PROCESSES = {"one": ALONE, "two": TWO}
SFT = """
model = "student"
data = ["kept.jsonl"]
[sft]
batch = 4
max_length = 512
save_steps = 1
[held_out]
questions = ["ambig-train.jsonl"]
limit = 3
every = 2
max_tokens = 4
"""
RL = """
model = "student"
questions = ["ambig-train.jsonl"]
[rl]
steps = 40
questions = 2
group = 4
max_completion = 12
save_steps = 1
[reward]
chain = false
[judges]
default = ["rule"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a student, questions, examples and settings; commands run in it."""
    make_student(tmp_path / "student")
    write_questions(tmp_path / "ambig-train.jsonl", 8)
    rows = [
        to_row(question, index=0, source_prompt=None, split="train", system="Be kind.")
        | {"completion": f"{CHAIN} {'x' * n}"}
        for n, question in enumerate(read_rows(tmp_path / "ambig-train.jsonl"))
    ]
    (tmp_path / "kept.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sft.toml").write_text(SFT)
    (tmp_path / "rl.toml").write_text(RL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(count: str, stage: str, out: str) -> "subprocess.Popen[str]":
    command = [*PROCESSES[count], stage, "--config", f"{stage}.toml", "--out", out, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


def test_two_processes_take_the_step_of_one(folder: Path) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    for count in PROCESSES:
        code, out, err = ended(start(count, "sft", count))
        assert code == 0, err
        assert len(out.splitlines()) == 1  # the first process reports, and no other
        assert ("rank1" in err) == (count == "two"), err
        lines[count] = list(read_metrics(folder / count / "metrics.jsonl"))
        steps = [line["step"] for line in read_metrics(folder / count / "held_out.jsonl")]
        assert steps == [2]
    assert [line["step"] for line in lines["two"]] == [line["step"] for line in lines["one"]]
    for name in ("loss", "grad_norm"):
        assert lines["two"][0][name] == pytest.approx(lines["one"][0][name], rel=1e-4)


@pytest.mark.parametrize(("begun", "resumed"), [("two", "one"), ("one", "two")])
def test_a_run_goes_on_with_another_number_of_processes(
    begun: str, resumed: str, folder: Path
) -> None:
    first = start(begun, "rl", "run")
    metrics = folder / "run" / "metrics.jsonl"
    while first.poll() is None and not (metrics.is_file() and metrics.stat().st_size):
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    _, _, err = ended(first)
    done = len(read_metrics(folder / "run" / "metrics.jsonl"))
    assert 0 < done < 40, err
    assert (folder / "run" / "checkpoints" / f"checkpoint-{done}").is_dir()
    _, out, err = ended(start(resumed, "rl", "run"))  # the code says whether the reward varied
    assert json.loads(out)["steps"] == 40, err
    steps = [line["step"] for line in read_metrics(folder / "run" / "metrics.jsonl")]
    assert steps == [*range(1, 41)]
    text = (folder / "run" / "transcripts.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["extra"]["step"] for line in text) == dict.fromkeys(
        range(40), 8
    )
    assert (folder / "run" / "checkpoint" / "model.safetensors").is_file()
