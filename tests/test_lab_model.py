"""The tokenizer and the network from scratch, and the checkpoint directory that they make."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer

from forked import run_forked
from gtalign.lab.model import make_model
from gtalign.lab.settings import ModelSettings
from gtalign.lab.teachers import candidate
from gtalign.lab.tokenizer import END, TURN_END, TURN_START, train_tokenizer
from small_lab import small_model, small_tokenizer, small_world

TEXTS = [
    "bodu has 8 cards. bodu sells 123 cards!",
    "It's we'll THEY'RE don't I'M you'd 'S",
    "  two  spaces\n\n\tand a tab \r\n end  ",
    '<thinking>so</thinking><payoff>{"DQ_AQ":{"LLM":-1,"user":3.5}}</payoff>',
    "größer naïve Ω≈ç√ 日本語 テスト مرحبا 🙂 e\u0301",
    "",
    "a",
    "\x00\x07",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return small_tokenizer()


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text.replace("e\u0301", "\u00e9")  # NFC, as Qwen2's


def test_round_trip_of_the_world(tokenizer: Any) -> None:
    for question in small_world().ood:
        ids = tokenizer(question.text)["input_ids"]
        assert tokenizer.decode(ids) == question.text


def test_pieces_are_those_of_qwen2(tokenizer: Any) -> None:
    theirs = Qwen2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[]).backend_tokenizer
    ours = tokenizer.backend_tokenizer
    for text in TEXTS:
        assert ours.normalizer.normalize_str(text) == theirs.normalizer.normalize_str(text)
        assert ours.pre_tokenizer.pre_tokenize_str(text) == theirs.pre_tokenizer.pre_tokenize_str(
            text
        )


def test_pattern_in_the_file_is_that_of_qwen2(tokenizer: Any, tmp_path: Path) -> None:
    # Engines such as llama.cpp know the pre-tokenizer by this very text.
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    split, byte_level = saved["pre_tokenizer"]["pretokenizers"]
    assert split["pattern"] == {"Regex": PRETOKENIZE_REGEX}
    assert (byte_level["type"], byte_level["add_prefix_space"]) == ("ByteLevel", False)


def test_vocabulary_has_the_size_that_is_asked_for() -> None:
    texts = [m["content"] for q in small_world().train for m in q.messages] * 2
    assert len(train_tokenizer(texts, 280)) == 280
    markers = [small_tokenizer().convert_ids_to_tokens(i) for i in range(3)]
    assert markers == [END, TURN_START, TURN_END]


def test_chat_template_ends_with_the_assistant_turn(tokenizer: Any) -> None:
    messages = [
        {"role": "user", "content": "hello."},
        {"role": "assistant", "content": "yes?"},
        {"role": "user", "content": "so it is {{ braces }}."},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>user\nhello.<|im_end|>\n<|im_start|>assistant\nyes?<|im_end|>\n"
        "<|im_start|>user\nso it is {{ braces }}.<|im_end|>\n<|im_start|>assistant\n"
    )
    said = [*messages, {"role": "assistant", "content": "it is."}]
    whole = tokenizer.apply_chat_template(said, tokenize=False)
    assert whole == f"{text}it is.<|im_end|>\n"  # a prefix, as training on completions needs
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert ids.count(tokenizer.convert_tokens_to_ids(TURN_START)) == 4


def test_end_of_turn_ends_a_completion(tokenizer: Any) -> None:
    assert (tokenizer.eos_token, tokenizer.pad_token) == (TURN_END, END)
    assert tokenizer.padding_side == "left"


def test_default_model_is_of_the_size_that_is_promised() -> None:
    size = ModelSettings()
    tokenizer = small_tokenizer()
    model = make_model(
        tokenizer, seed=0, width=size.width, layers=size.layers, positions=size.positions
    )
    embeddings = size.width * (size.vocabulary - len(tokenizer))
    assert 0.8e6 < sum(p.numel() for p in model.parameters()) + embeddings < 3e6


def test_same_seed_same_weights(tokenizer: Any) -> None:
    first, again, other = (small_model(tokenizer, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_model_knows_its_tokens(tokenizer: Any) -> None:
    config = small_model(tokenizer).config
    assert config.model_type == "qwen2"
    assert config.vocab_size == len(tokenizer)
    assert config.eos_token_id == tokenizer.eos_token_id
    assert config.pad_token_id == tokenizer.pad_token_id


@pytest.mark.early
def test_checkpoint_loads_by_the_auto_classes_without_a_network(
    tokenizer: Any, tmp_path: Path
) -> None:
    model = small_model(tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    question = small_world().train[0]
    inputs = tokenizer.apply_chat_template(
        list(question.messages), add_generation_prompt=True, return_tensors="pt"
    )
    with torch.no_grad():
        expected = model(**inputs).logits[0, -1, :4].tolist()
    script = """
        import json, sys
        from transformers import AutoModelForCausalLM, AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
        model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")
        inputs = tokenizer.apply_chat_template(
            json.loads(sys.argv[2]), add_generation_prompt=True, return_tensors="pt"
        )
        classes = [type(model), type(tokenizer)]
        print(json.dumps([c.__name__ for c in classes if c.__module__.startswith("transformers.")]))
        print(json.dumps(model(**inputs).logits[0, -1, :4].tolist()))
    """
    done = run_forked(script, tmp_path, json.dumps(list(question.messages)))
    assert done.returncode == 0, done.stderr
    names, logits = map(json.loads, done.stdout.splitlines())
    assert names == ["Qwen2ForCausalLM", type(AutoTokenizer.from_pretrained(tmp_path)).__name__]
    assert logits == pytest.approx(expected, rel=1e-5)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    chain = candidate(question, np.random.default_rng(0))
    assert loaded.decode(loaded(chain)["input_ids"]) == chain
