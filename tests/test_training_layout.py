"""Plans of training over several GPUs, from the files of accelerate."""

import json
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from gtalign.cli import main
from gtalign.config import CONFIGS, find, load
from gtalign.errors import ConfigError
from gtalign.models.memory import ModelSize
from gtalign.training import LoRASettings, RLSettings, SFTSettings
from gtalign.training.layout import Layout, laid_out, names, planned, read_layout
from gtalign.training.memory import memory
from gtalign.training.rl_run import RLRun
from gtalign.training.rl_run import plan as plan_rl
from teacher_server import write_questions
from train_parts import CHAIN

SIZE = ModelSize(
    parameters=7_000_000_000, layers=28, width=3584, intermediate=18944, vocabulary=152_064
)


@pytest.mark.parametrize("name", names())
def test_layouts_that_come_with_the_package_are_accelerates_own(name: str) -> None:
    layout = read_layout(name)
    theirs = load_config_from_file(str(layout.file))
    assert theirs.num_processes == layout.processes
    assert theirs.num_machines == layout.machines
    assert (theirs.distributed_type.value == "FSDP") == (layout.name == "FSDP2")
    assert layout.launch("rl --config 7b").endswith(f"{name}.json -m gtalign rl --config 7b")


@pytest.mark.parametrize(
    ("config", "layout"), [("3b", "zero2"), ("7b", "fsdp2"), ("32b", "fsdp2-two-machines")]
)
def test_published_sizes_fit_their_gpus(config: str, layout: str, tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    write_questions(questions, 4)
    run = load(RLRun, find("rl", config), [f'questions=["{questions}"]'])
    found = plan_rl(run, read_layout(layout))
    beside = run.rl.vllm_memory if run.rl.vllm_server is None else 0
    assert found["memory_gib"]["total"] < 80 * (1 - beside)
    assert plan_rl(run)["memory_gib"]["total"] > found["memory_gib"]["total"]
    assert ("vLLM at http" in found["generation"]) == (not beside)


def test_a_plan_on_a_layout_says_what_begins_the_run(tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    write_questions(questions, 4)
    run = load(RLRun, find("rl", "7b"), [f'questions=["{questions}"]'])
    assert planned(plan_rl, run, "rl", None) == plan_rl(run)
    found = planned(plan_rl, run, "rl", "fsdp2")
    assert found.pop("start").endswith("fsdp2.json -m gtalign rl ...")
    assert found == plan_rl(run, read_layout("fsdp2"))


def test_one_process_is_begun_as_ever_and_its_plan_says_nothing_of_a_layout(tmp_path: Path) -> None:
    assert Layout().launch("rl --config 7b") == "gtalign rl --config 7b"
    file = tmp_path / "one.yaml"
    file.write_text("num_processes: 1\ndistributed_type: 'NO'\n")
    settings = RLSettings(questions=3, group=4)
    assert laid_out(read_layout(str(file)), "rl", settings) == (12, {})
    part, told = laid_out(Layout("DDP", 4, 2), "rl", settings)
    assert (part, told["layout"]) == (3, "DDP: 4 processes on 2 machines")


def test_what_is_shared_out_is_divided_and_ddp_holds_gradients_twice() -> None:
    def parts(sharding: Any, processes: int = 8) -> dict[str, float]:
        return memory(SIZE, tokens=10, layout=Layout("x", processes, 1, sharding))

    one, ddp, zero2, whole = parts("nothing", 1), parts("nothing"), parts("gradients"), parts("all")
    assert ddp["total"] == pytest.approx(one["total"] + one["gradients"])
    assert zero2["weights"] == one["weights"]
    assert zero2["optimizer"] == pytest.approx(one["optimizer"] / 8)
    assert whole["weights"] == pytest.approx(one["weights"] / 8)
    assert whole["activations"] == one["activations"]
    assert whole["gathered"] > 0


@pytest.mark.parametrize(
    ("settings", "processes", "problem"),
    [
        (SFTSettings(batch=6), 4, r"sft.batch / .*\(6\) has to be a multiple .* processes \(4\)"),
        (RLSettings(questions=3, group=4), 8, r"rl.questions \* rl.group .*\(12\)"),
        (RLSettings(questions=3, group=4, counterfactual=0.5), 2, r"rl.questions \(3\)"),
        (SFTSettings(lora=LoRASettings()), 8, "whole weights"),
    ],
)
def test_batches_without_equal_shares_are_refused(
    settings: Any, processes: int, problem: str
) -> None:
    stage = "sft" if isinstance(settings, SFTSettings) else "rl"
    with pytest.raises(ConfigError, match=problem):
        laid_out(Layout("FSDP2", processes, 1, "all"), stage, settings)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "it holds no table"),
        ("{", "line 1"),
        ("{}", "num_processes"),
        ('{"num_processes": "many", "distributed_type": "NO"}', "many"),
        ('{"num_processes": 2, "distributed_type": "TPU"}', "'TPU' is none"),
        ('{"num_processes": 2, "distributed_type": "FSDP", "fsdp_config": {}}', "fsdp_version = 1"),
        ('{"num_processes": 2, "distributed_type": "FSDP", "fsdp_config": 3}', "no file of"),
        (
            '{"num_processes": 2, "distributed_type": "DEEPSPEED", "deepspeed_config":'
            ' {"zero_stage": 9}}',
            "no file of accelerate",
        ),
        ('{"num_processes": 0, "distributed_type": "NO"}', "num_processes = 0"),
    ],
)
def test_other_files_are_no_layouts(text: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_layout(str(file))


def test_a_file_of_yaml_is_a_layout_too(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("num_processes: 2\ndistributed_type: MULTI_GPU\n")
    assert read_layout(str(file)) == Layout("DDP", 2, 1, "nothing", file)
    file.write_text("a: [")
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        read_layout(str(file))
    with pytest.raises(ConfigError, match="one of ddp, fsdp2"):
        read_layout("nosuch")


def test_shipped_layouts_are_json() -> None:
    files = sorted((CONFIGS / "accelerate").iterdir())
    assert sorted(file.stem for file in files) == names()
    assert all(json.loads(file.read_text()) for file in files)


@pytest.mark.parametrize("command", ["sft", "rl", "dpo"])
def test_a_layout_is_for_a_dry_run(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an SFT run on chains, of RL on questions, of preferences on pairs."""
    questions, files = tmp_path / "q.jsonl", {"sft": "data", "rl": "questions", "dpo": "data"}
    write_questions(questions, 4)
    rows = [json.loads(line) for line in questions.read_text().splitlines()]
    for row in rows:
        row |= {"completion": CHAIN} if command == "sft" else {"chosen": "a", "rejected": "b"}
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = tmp_path / "run.toml"
    config.write_text(f'model = "m"\n{files[command]} = ["{questions}"]\n')
    words = [command, "--config", str(config), "--accelerate"]
    assert main([*words, "ddp", "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["start"].startswith("accelerate launch --config_file ")
    assert plan["start"].endswith(f"ddp.json -m gtalign {command} ...")
    assert "processes on 1 machines" in plan["layout"]
    for wrong, told in (
        (["ddp"], "--accelerate is for --dry-run"),
        (["dpd", "--dry-run"], "no layout 'dpd'"),
    ):
        assert main([*words, *wrong, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_layout_is_not_for_a_run_on_verl(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["rl", "--engine", "verl", "--config", "verl-one-gpu", "--accelerate", "ddp"]
    assert main([*command, "--dry-run"]) == 2
    assert "--accelerate lays out a run on TRL" in capsys.readouterr().err
