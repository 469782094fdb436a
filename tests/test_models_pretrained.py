"""A model that cannot be loaded is told in one line."""

from pathlib import Path
from typing import Any

import pytest

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
    for name in (str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(ConfigError, match="no checkpoint folder") as caught:
            load(name)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)
