"""A model in process: how it is padded, stopped and sampled."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from gtalign.lab.judge import LabJudge
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel, described, open_model
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import Sampling
from gtalign.steering.local import TransformersBackend
from gtalign.tasks import Message
from gtalign.training import RLSettings, SFTSettings
from gtalign.training.reward import TRLReward
from gtalign.training.rl import train_rl
from gtalign.training.sft import train_sft
from small_lab import small_model, small_tokenizer, small_world

# The trainers complain of their own habits.
pytestmark = pytest.mark.filterwarnings("default")

QUESTIONS = [(Message(role="user", content="say it is a cat. " * n),) for n in (1, 3, 2)]

LEAKS: dict[str, dict[str, Any]] = {
    "qwen": {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20},
    "penalties": {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2},
    "cut": {"min_p": 0.2, "typical_p": 0.5, "epsilon_cutoff": 0.01},
    "lengths": {"min_length": 200, "forced_eos_token_id": 1},
    "tokens": {"suppress_tokens": list(range(20, 200)), "bad_words_ids": [[5], [6, 7]]},
    "beams": {"num_beams": 2},
}


def model_with(tokenizer: Any = None, **own: Any) -> LocalModel:
    """Return a small model whose checkpoint recommends its own way of sampling."""
    tokenizer = tokenizer or small_tokenizer()
    network = small_model(tokenizer, seed=1)
    eos = network.generation_config.eos_token_id
    network.generation_config = GenerationConfig(**{"eos_token_id": eos, **own})
    return LocalModel(network, Chat(tokenizer))


def answers(model: LocalModel, temperature: float) -> list[str]:
    return model.generate(QUESTIONS, max_tokens=12, temperature=temperature, seed=5)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.6])
@pytest.mark.parametrize("own", LEAKS)
def test_sampling_is_what_was_asked(own: str, temperature: float) -> None:
    model = model_with(**LEAKS[own])
    assert answers(model, temperature) == answers(model_with(), temperature)
    told = "\n".join(described(model.facts()))
    assert "the checkpoint's own way of sampling is not used" in told
    assert all(name in told for name in LEAKS[own] if name != "do_sample")


def sampled_in_training(folder: Path, **own: Any) -> list[str]:
    config = RewardConfig.model_validate({"preset": "paper", "chain": False})
    settings = RLSettings(steps=1, questions=2, group=2, max_completion=8)
    log = folder / "log.jsonl"
    reward = TRLReward(Reward(config, len), LabJudge(), log)
    train_rl(model_with(**own), small_world().train, reward, folder / "run", settings, seed=3)
    return [json.loads(line)["completion"] for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def asked_alone(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What reinforcement learning samples from a checkpoint that recommends nothing."""
    return sampled_in_training(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("own", ["qwen", "penalties", "tokens"])
def test_reinforcement_learning_samples_as_it_was_asked(
    own: str, tmp_path: Path, asked_alone: list[str]
) -> None:
    assert sampled_in_training(tmp_path, **LEAKS[own]) == asked_alone


class Script:
    """Makes a network write given tokens, whatever it computes."""

    def __init__(self, model: LocalModel, tokens: list[str]) -> None:
        ids = [model.chat.tokenizer.convert_tokens_to_ids(token) for token in tokens]
        self.ids = iter(ids)
        model.network.lm_head.register_forward_hook(self._write)

    def _write(self, module: Any, args: Any, logits: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(logits, -100.0)
        forced[:, -1, next(self.ids)] = 100.0
        return forced


# Of the tokenizer, of the template, and the two that the checkpoint states.
ENDS = ["<|endoftext|>", "<|im_end|>", "<end_of_turn>", "<|eom|>"]


def with_many_ends() -> LocalModel:
    tokenizer = small_tokenizer()
    tokenizer.add_tokens(["<end_of_turn>", "<|eom|>"], special_tokens=True)
    tokenizer.eos_token = "<|endoftext|>"
    stated = [tokenizer.convert_tokens_to_ids(end) for end in ENDS[2:]]
    return model_with(tokenizer, eos_token_id=stated)


@pytest.mark.parametrize("end", ENDS)
async def test_a_turn_ends_by_each_of_its_ends(end: str) -> None:
    model = with_many_ends()
    assert model.ends == set(model.chat.tokenizer.convert_tokens_to_ids(ENDS))
    Script(model, ["a", "b", end, "c", "d"])
    assert model.generate(QUESTIONS[:1], max_tokens=5, temperature=0, seed=0) == ["ab"]
    model = with_many_ends()
    Script(model, ["a", "b", end, "c", "d"])
    draft = TransformersBackend(model).open(QUESTIONS[0], Sampling(temperature=0))
    assert "".join([text async for text in draft.write(max_tokens=5)]) == "ab"


@pytest.mark.parametrize("stated", [None, 1, [1], [2, 1]])
def test_ends_are_stated_as_one_or_as_several(stated: Any, tmp_path: Path) -> None:
    model = model_with(eos_token_id=stated)
    own = {stated} if isinstance(stated, int) else set(stated or ())
    assert model.ends == model.chat.ends | own
    model.network.save_pretrained(tmp_path)
    model.chat.tokenizer.save_pretrained(tmp_path)
    assert open_model(tmp_path).ends == model.ends


@pytest.mark.parametrize("pad", ["<|endoftext|>", "<|im_end|>", None])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_is_answered_as_one_question_is(side: str, pad: str | None) -> None:
    tokenizer = small_tokenizer()
    tokenizer.padding_side, tokenizer.pad_token = side, pad
    model = model_with(tokenizer)
    alone = [
        model.generate([question], max_tokens=12, temperature=0, seed=0)[0]
        for question in QUESTIONS
    ]
    assert answers(model, 0.0) == alone


@pytest.mark.parametrize("pad", ["<|im_end|>", None])
def test_the_end_of_a_turn_is_learned_where_it_is_padding_too(
    pad: str | None, tmp_path: Path
) -> None:
    tokenizer = small_tokenizer()
    tokenizer.pad_token, tokenizer.padding_side = pad, "right"
    model = model_with(tokenizer)
    labels: list[torch.Tensor] = []
    model.network.register_forward_pre_hook(
        lambda module, args, kwargs: labels.extend(kwargs["labels"]), with_kwargs=True
    )
    texts = ("it is a cat.", "it is a cat, and it is a dog.")
    lessons = [model.chat.lesson(QUESTIONS[0], text) for text in texts]
    train_sft(model, lessons, tmp_path, SFTSettings(batch=2), seed=0)
    learned = [[int(n) for n in row if n >= 0] for row in labels]
    assert sorted(learned) == sorted(lesson.ids[lesson.start :] for lesson in lessons)
    assert all(tokenizer.eos_token_id in row for row in learned)


def test_opening_a_model_says_how_it_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = small_tokenizer()
    network = small_model(tokenizer)
    network.generation_config.top_k = 7
    network.generation_config.do_sample = True
    network.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, "gtalign"):
        facts = open_model(tmp_path).facts()
    assert '"<|im_start|>user\\nWho owns' in caplog.text
    assert "a turn ends with <|im_end|> (2)" in caplog.text
    assert "not used: top_k 7" in caplog.text
    assert json.loads(json.dumps(facts)) == facts
    assert facts["untrainable"] is None


def test_a_model_that_cannot_be_trained_says_so_when_it_is_opened() -> None:
    tokenizer = small_tokenizer()
    tokenizer.add_tokens(["<payoff>"], special_tokens=True)
    *_, last = described(model_with(tokenizer).facts())
    assert last.startswith("it cannot be trained: the tokenizer loses <payoff>")


def test_a_padding_token_without_weights_is_not_used(tmp_path: Path) -> None:
    """Some tokenizers add padding of their own to the vocabulary when they are opened."""
    tokenizer = small_tokenizer()
    network = small_model(tokenizer, seed=1)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    assert tokenizer.pad_token_id == len(tokenizer) - 1 == network.config.vocab_size
    model = LocalModel(network, Chat(tokenizer))
    assert answers(model, 1.0) == answers(model_with(), 1.0)
    lessons = [model.chat.lesson(question, "it is a cat.") for question in QUESTIONS]
    checkpoint = train_sft(model, lessons, tmp_path, SFTSettings(batch=3), seed=0)
    again = open_model(checkpoint)
    assert again.network.config.pad_token_id == again.chat.tokenizer.eos_token_id
