"""Models are loaded as they were saved; one that cannot be is told in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gtalign.errors import ConfigError
from gtalign.models.pretrained import load_model, load_tokenizer
from small_lab import small_model, small_tokenizer


def test_a_checkpoint_is_loaded(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert len(load_tokenizer(tmp_path)) == len(tokenizer)
    assert load_model(str(tmp_path)).config.hidden_size == 32


@pytest.mark.parametrize("load", [load_tokenizer, load_model])
def test_what_is_no_model_is_told_in_one_line(load: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    nowhere = str(tmp_path / "nowhere")
    for name, problem in ((nowhere, "train that model first"), (str(tmp_path), "no checkpoint fo")):
        with pytest.raises(ConfigError, match=problem) as caught:
            load(name)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)


def of_words(split: Any, decoder: Any, normalizer: Any = None) -> Any:
    """A tokenizer that was trained with rules of its own for splitting text."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.normalizer, bpe.pre_tokenizer, bpe.decoder = normalizer, split, decoder
    texts = [
        "it is 1234 words,\n\n and  more\n\n words 中文 éàü 12345 67" * 3,
        "Größe: tab\t\t12\n\n",
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<end>", pad_token="<end>")


def bytes_after(*splits: Any) -> Any:
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, level])


KINDS = {
    "newlines one by one": lambda: of_words(
        bytes_after(pre_tokenizers.Split(Regex(r"\n"), "isolated")), decoders.ByteLevel()
    ),
    "digits in threes": lambda: of_words(
        bytes_after(pre_tokenizers.Split(Regex(r"\d{1,3}|\s+|[^\s\d]+"), "isolated")),
        decoders.ByteLevel(),
    ),
    "accents taken off": lambda: of_words(
        bytes_after(pre_tokenizers.Split(Regex(r"\s+"), "isolated")),
        decoders.ByteLevel(),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    ),
    "spaces as marks": lambda: of_words(pre_tokenizers.Metaspace(), decoders.Metaspace()),
}
TEXT = "It is 1234 words,\n\n and  more: Größe 67.\n\n\n"


@pytest.mark.parametrize("class_", [None, "GemmaTokenizer", "LlamaTokenizerFast"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_is_opened_as_it_was_saved(
    kind: str, class_: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The network is of Qwen's type, for which transformers knows one class."""
    tokenizer = KINDS[kind]()
    small_model(small_tokenizer()).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    if class_ is not None:
        file = tmp_path / "tokenizer_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": class_}))
    text = f"{TEXT}<end>{TEXT}"
    ids = tokenizer(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] != ids
    loaded = load_tokenizer(tmp_path)
    assert loaded(text)["input_ids"] == ids
    assert loaded.decode(ids) == tokenizer.decode(ids)
    assert loaded.eos_token == "<end>"
    assert f"{tmp_path.name}: transformers opens its tokenizer as Qwen2Tokenizer" in caplog.text
    loaded.save_pretrained(tmp_path / "again")
    assert load_tokenizer(tmp_path / "again")(text)["input_ids"] == ids


def test_the_class_of_a_tokenizer_stays_where_it_reads_text_alike(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded).__name__ == "Qwen2Tokenizer"
    assert loaded(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert not caplog.records
