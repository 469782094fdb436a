"""A GGUF file as an ordinary model: the same weights, which can be trained and saved."""

from pathlib import Path
from typing import Any

import pytest
import torch

from engines.to_gguf import export
from gtalign.cli import main
from gtalign.errors import ConfigError
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel, open_model
from gtalign.models.pretrained import load_model, load_tokenizer
from gtalign.tasks import Message
from gtalign.training import SFTSettings
from gtalign.training.sft import train_sft
from small_lab import small_model, small_tokenizer

# The trainers complain of their own habits.
pytestmark = pytest.mark.filterwarnings("default")

ASKED = (Message(role="user", content="say it is a cat. what is it?"),)


@pytest.fixture(scope="module")
def original() -> LocalModel:
    tokenizer = small_tokenizer()
    return LocalModel(small_model(tokenizer, seed=1), Chat(tokenizer))


@pytest.fixture(scope="module")
def file(original: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    original.network.save_pretrained(folder / "checkpoint")
    original.chat.tokenizer.save_pretrained(folder / "checkpoint")
    export(folder / "checkpoint", folder / "small.gguf")
    return folder / "small.gguf"


def greedy(model: LocalModel) -> list[str]:
    return model.generate([ASKED, ASKED[:1]], max_tokens=16, temperature=0, seed=0)


def test_it_computes_and_is_asked_as_the_original(original: LocalModel, file: Path) -> None:
    model = open_model(f"gguf:{file}")
    assert model.chat.ids(ASKED) == original.chat.ids(ASKED)
    assert model.ends == original.ends
    ids = torch.tensor([original.chat.ids(ASKED)])
    with torch.inference_mode():
        difference = model.network(ids).logits - original.network.eval()(ids).logits
    assert difference.abs().max() < 1e-4
    assert greedy(model) == greedy(original)


def test_it_is_trained_saved_and_opened_again(file: Path, tmp_path: Path) -> None:
    model = open_model(f"gguf:{file}")
    lesson = model.chat.lesson(ASKED, "it is a cat.")
    settings = SFTSettings(batch=1, epochs=3, learning_rate=1e-2)
    saved = train_sft(model, [lesson] * 2, tmp_path, settings, seed=0)
    again = open_model(saved)
    assert not hasattr(again.network.config, "quantization_config")
    assert all(p.dtype == torch.float32 and p.requires_grad for p in again.network.parameters())
    assert greedy(again) == greedy(model)
    before = load_model(f"gguf:{file}").state_dict()
    assert any(not torch.equal(before[k], v) for k, v in again.network.state_dict().items())


def test_it_is_steered_by_its_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--policy", "per-token", "--question", "what is it?", "--max-tokens", "4", "--bare")
    assert main(["steer", f"gguf:{file}", *given, "--json"]) == 0
    assert '"steered": false' in capsys.readouterr().out
    assert main(["steer", "gguf:nowhere", *given]) == 2


@pytest.mark.parametrize("load", [load_tokenizer, load_model])
@pytest.mark.parametrize("torn", ["empty", "text", "cut"])
def test_a_torn_file_is_named(load: Any, torn: str, file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes({"empty": b"", "text": b"no weights" * 9, "cut": whole[:3000]}[torn])
    with pytest.raises(ConfigError, match=r"broken.gguf: cannot be read as a GGUF file") as caught:
        load(f"gguf:{broken}")
    assert "\n" not in str(caught.value)
