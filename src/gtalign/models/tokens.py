"""Tokens of a text: how many, and which where it continues another text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gtalign.errors import ConfigError

_FILE: Final = "tokenizer.json"

_ANCHOR: Final = ">"
"""Put before a text that is tokenised on its own, where the tokenizer marks beginnings."""


def count_words(text: str) -> int:
    """Return the number of whitespace-separated words: of tokens, where no tokenizer is known."""
    return len(text.split())


def token_counter(tokenizer: Any) -> Callable[[str], int]:
    """Return the function that counts the tokens of a text, special tokens not included."""
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def continuing_tokens(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text that continues another one."""

    def ids_of(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    ids, anchor = ids_of(_ANCHOR + text), ids_of(_ANCHOR)
    # Where the anchor is not merged with the text, what follows it is free of a mark of
    # beginning, such as the space that some tokenizers add.
    return ids[len(anchor) :] if ids[: len(anchor)] == anchor else ids_of(text)


def counter_at(*folders: Path | str | None) -> Callable[[str], int] | None:
    """Return `counter_in` of the first folder with a ``tokenizer.json``; None if none has one."""
    for folder in folders:
        if folder is not None and (Path(folder) / _FILE).is_file():
            return counter_in(Path(folder))
    return None


def counter_in(folder: Path) -> Callable[[str], int]:
    """Return the function that counts the tokens of a text by a folder's ``tokenizer.json``.

    Neither torch nor transformers is loaded. For a tokenizer that is already loaded, use
    `token_counter`.

    Raises:
        ConfigError: There is no such file, or it cannot be read as a tokenizer.
    """
    file = folder / _FILE
    if not file.is_file():
        raise ConfigError(f"{folder}: no tokenizer.json in it")
    from tokenizers import Tokenizer  # of the extra `train`

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # what its Rust code raises is a bare Exception
        raise ConfigError(f"{file}: cannot be read as a tokenizer: {error}") from error
    tokenizer.no_truncation()  # the file may ask for both, and a count needs neither
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
