"""How long a text is for a model."""

from collections.abc import Callable
from typing import Any


def token_counter(tokenizer: Any) -> Callable[[str], int]:
    """Return the function that counts the tokens of a text, special tokens not included."""
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
