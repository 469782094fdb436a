"""Counts of tokens are of the whole text, whatever a tokenizer's file asks for."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from gtalign.errors import ConfigError
from gtalign.models.tokens import counter_at, counter_in


def test_a_count_is_neither_cut_nor_padded(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[PAD]": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=2, pad_id=1)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = counter_at(None, tmp_path / "no folder", str(tmp_path))
    assert found is not None
    for count in (counter_in(tmp_path), found):
        assert [count("a " * n) for n in range(6)] == [0, 1, 2, 3, 4, 5]


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no tokenizer\.json in it") as refused:
        counter_in(tmp_path)
    assert str(refused.value).startswith(str(tmp_path))
    assert counter_at(None, tmp_path) is None
