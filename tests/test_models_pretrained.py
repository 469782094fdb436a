"""A model that cannot be loaded is told in one line."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gtalign.errors import ConfigError
from gtalign.models.pretrained import pretrained
from small_lab import small_model, small_tokenizer


def test_a_checkpoint_is_loaded(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    small_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert len(pretrained(AutoTokenizer, tmp_path)) == len(tokenizer)
    assert pretrained(AutoModelForCausalLM, str(tmp_path), dtype="float32").config.hidden_size == 32


@pytest.mark.parametrize("kind", [AutoTokenizer, AutoModelForCausalLM])
def test_what_is_no_model_is_told_in_one_line(kind: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for name in (str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(ConfigError, match="no checkpoint folder") as caught:
            pretrained(kind, name)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)
