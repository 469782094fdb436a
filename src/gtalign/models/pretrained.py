"""Load models and tokenizers from a folder, a hub or a GGUF file; errors give one line.

Only the functions load torch and transformers: importing this module is cheap.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gtalign.errors import ConfigError
from gtalign.models.gguf import load_gguf
from gtalign.models.names import is_gguf, place

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

T = TypeVar("T")

# A torn GGUF file fails wherever its reader happens to be.
_UNREADABLE = (OSError, ValueError, ImportError, LookupError, NotImplementedError, struct.error)


def load_tokenizer(name: str | Path, **options: Any) -> "PreTrainedTokenizerBase":
    """Load a tokenizer as it is; `gtalign.models.Chat` makes it ready for conversations.

    Args:
        name: A name of a model; see `gtalign.models.place`.
        options: Options of ``from_pretrained``.

    Raises:
        ConfigError: There is no tokenizer.
    """
    from transformers import AutoTokenizer

    found = place(name)
    return _load(
        name, lambda: AutoTokenizer.from_pretrained(found.where, **found.options, **options)
    )


def load_model(name: str | Path, *, dtype: str = "float32", **options: Any) -> "PreTrainedModel":
    """Load a causal language model, onto the CPU.

    Args:
        name: A name of a model; see `gtalign.models.place`.
        dtype: Type of its weights, such as ``bfloat16``; ``auto`` keeps that of the checkpoint.
        options: Of ``from_pretrained``.

    Raises:
        ConfigError: There is no such model.
    """
    from transformers import AutoModelForCausalLM

    found = place(name)
    if found.file is not None:
        return _load(name, lambda: load_gguf(found, dtype=dtype))
    return _load(
        name, lambda: AutoModelForCausalLM.from_pretrained(found.where, dtype=dtype, **options)
    )


def _load(name: str | Path, load: Callable[[], T]) -> T:
    try:
        return load()
    except _UNREADABLE as error:
        reason = str(error).strip().partition("\n")[0]
        problem = (
            "cannot be read as a GGUF file"
            if is_gguf(name)
            else "no checkpoint folder, and no model that a hub gives"
        )
        raise ConfigError(f"{name}: {problem}: {reason}") from error
