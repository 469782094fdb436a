"""Supervised training and reinforcement learning, killed and not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gtalign.lab.judge import LabJudge
from gtalign.lab.teachers import candidate
from gtalign.models.chat import Chat, Lesson
from gtalign.models.model import LocalModel
from gtalign.reward import Reward, RewardConfig
from gtalign.synthesis import Pair
from gtalign.training import DPOSettings, LoRASettings, RLSettings, SFTSettings
from gtalign.training.checkpoints import last_checkpoint
from gtalign.training.dpo import train_dpo
from gtalign.training.log import MetricsLog
from gtalign.training.metrics import read_metrics
from gtalign.training.optimizer import MuonWithAdamW
from gtalign.training.reward import TRLReward
from gtalign.training.rl import train_rl
from gtalign.training.sft import train_sft
from small_lab import contents, small_model, small_tokenizer, small_world

# The trainer complains of its own habits.
pytestmark = pytest.mark.filterwarnings("default")

TOKENIZER = small_tokenizer()
SFT = SFTSettings(batch=2, max_length=512, save_steps=2)
MUON = SFT.model_copy(update={"matrix_learning_rate": 0.02, "completion_only": False})
LORA = SFT.model_copy(update={"lora": LoRASettings(rank=2, dropout=0.1)})
DPO = DPOSettings(batch=2, max_length=512, save_steps=2, learning_rate=1e-3)
RL = RLSettings(steps=4, questions=2, group=2, max_completion=5, save_steps=2)


class Killed(BaseException):
    """Ends a run in the middle, as no handler expects it."""


def lessons() -> list[Lesson]:
    rng, chat = np.random.default_rng(0), Chat(TOKENIZER)
    return [chat.lesson(q.messages, candidate(q, rng)) for q in small_world().train]


def untrained() -> LocalModel:
    return LocalModel(small_model(TOKENIZER), Chat(TOKENIZER))


def sft(folder: Path, settings: SFTSettings = SFT) -> Path:
    return train_sft(untrained(), lessons(), folder, settings, seed=3)


def rl(folder: Path, settings: RLSettings = RL) -> Path:
    # Without a chain an untrained model earns something, so that there is something to learn.
    config = RewardConfig.model_validate(
        {
            "preset": "paper",
            "chain": False,
            "response_window": {"low": 1.0, "high": 4.0, "steepness": 1.0},
        }
    )
    reward = TRLReward(Reward(config, lambda text: len(text)), LabJudge())
    return train_rl(untrained(), small_world().train, reward, folder, settings, seed=3)


def muon(folder: Path) -> Path:
    return sft(folder, MUON)


def lora(folder: Path) -> Path:
    return sft(folder, LORA)


def dpo(folder: Path) -> Path:
    rng, train = np.random.default_rng(0), small_world().train
    texts = [(question, candidate(question, rng), candidate(question, rng)) for question in train]
    pairs = [Pair(tuple(q.messages), one, other, q.id) for q, one, other in texts]
    return train_dpo(untrained(), pairs, folder, DPO, seed=3)


RUNS: dict[str, Callable[[Path], Path]] = {
    "sft": sft,
    "muon": muon,
    "lora": lora,
    "dpo": dpo,
    "rl": rl,
}


@pytest.fixture(scope="module", params=RUNS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    return RUNS[request.param], RUNS[request.param](folder), folder


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32")
    return dict(model.state_dict())


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_and_leaves_an_ordinary_checkpoint(whole: Any) -> None:
    _, checkpoint, folder = whole
    assert checkpoint == folder / "checkpoint"
    assert sorted(p.name for p in folder.iterdir()) == ["checkpoint", "metrics.jsonl"]
    start = small_model(TOKENIZER).state_dict()
    assert not all(torch.equal(start[k], v) for k, v in weights(checkpoint).items())
    assert len(AutoTokenizer.from_pretrained(checkpoint)) == len(TOKENIZER)
    lines = read_metrics(folder / "metrics.jsonl")
    assert [line["step"] for line in lines] in ([2, 4], [1, 2, 3, 4])
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert not any("time" in name or "per_second" in name for name in lines[0])


@pytest.mark.parametrize("step", [1, 3])
def test_killed_run_ends_as_if_it_had_not_been(
    whole: Any, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At step 1 nothing is saved yet: the run begins anew, and the same seed gives the same."""
    run, checkpoint, folder = whole
    begin, end = MetricsLog.on_train_begin, []

    def die(self: MetricsLog, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            end.append(step)
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        # After the step is done and before anything of it is logged or saved.
        patch.setattr(MetricsLog, "on_step_end", die)
        run(tmp_path)
    assert end == [step]
    assert (tmp_path / "checkpoints").is_dir() or step == 1
    assert not (tmp_path / "checkpoint").exists()
    torch.manual_seed(12345)
    np.random.seed(54321)
    assert MetricsLog.on_train_begin is begin
    assert same(run(tmp_path), checkpoint)
    assert contents(tmp_path, "metrics.jsonl") == contents(folder, "metrics.jsonl")


def test_finished_stage_is_returned_as_it_is(whole: Any) -> None:
    run, checkpoint, folder = whole
    before = contents(folder, "metrics.jsonl", "*.json")
    assert run(folder) == checkpoint
    assert contents(folder, "metrics.jsonl", "*.json") == before


def test_rl_logs_every_factor(tmp_path: Path) -> None:
    rl(tmp_path, RL.model_copy(update={"steps": 1}))
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    assert {"factor/quality", "welfare/user_welfare", "malformed", "unscored", "reward"} <= set(
        line
    )


def test_muon_learns_matrices_and_adamw_the_rest() -> None:
    model = small_model(TOKENIZER)
    optimizer = MuonWithAdamW(model, matrix_rate=0.1, rate=0.01)
    matrices, others = ({id(p) for p in group["params"]} for group in optimizer.param_groups)
    names = {id(p): name for name, p in model.named_parameters()}
    assert matrices | others == names.keys()
    assert all("proj" in names[i] and names[i].endswith("weight") for i in matrices)
    assert "model.embed_tokens.weight" in {names[i] for i in others}
    # A schedule sets the rates through the groups of the whole.
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32)])
def test_muon_steps_as_the_one_of_pytorch_does_in_bfloat16(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Linear(*shape) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    steps = (
        MuonWithAdamW(ours, matrix_rate=0.1, rate=0.0),
        torch.optim.Muon([theirs.weight], lr=0.1, momentum=0.95, weight_decay=0.0),
    )
    before = ours.weight.clone()
    for _ in range(3):
        inputs = torch.randn(64, shape[0])
        for model, step in zip((ours, theirs), steps, strict=True):
            step.zero_grad()
            model(inputs).square().mean().backward()
            step.step()
    moved = (ours.weight - before).norm()
    assert moved > 1
    assert (ours.weight - theirs.weight).norm() < 0.05 * moved


def test_muon_state_comes_back() -> None:
    model = small_model(TOKENIZER)
    optimizer = MuonWithAdamW(model, matrix_rate=0.1, rate=0.01)
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.05
    state = optimizer.state_dict()
    other = MuonWithAdamW(small_model(TOKENIZER, 1), matrix_rate=0.1, rate=0.01)
    other.load_state_dict(state)
    assert [g["lr"] for g in other.param_groups] == [0.05, 0.01]
    assert other.param_groups[0] is other.parts[0].param_groups[0]
    first, second = (next(iter(o.parts[0].state.values())) for o in (optimizer, other))
    assert torch.equal(first["momentum_buffer"], second["momentum_buffer"])


def test_half_written_checkpoint_is_removed(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    for step in (2, 4, 6):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-2" / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-4" / "trainer_state.json").touch()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-2"]


def test_metrics_leave_out_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text(json.dumps({"step": 1, "loss": 2.0}) + '\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1, "loss": 2.0}]
