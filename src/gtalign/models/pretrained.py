"""Load models and tokenizers from a folder, a hub or a GGUF file; errors give one line.

Only the functions load torch and transformers: importing this module is cheap.
"""

import logging
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gtalign.errors import ConfigError
from gtalign.models.gguf import load_gguf
from gtalign.models.names import Place, is_gguf, missing, place

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

T = TypeVar("T")

log = logging.getLogger(__name__)

# A torn GGUF file fails wherever its reader happens to be.
_UNREADABLE = (OSError, ValueError, ImportError, LookupError, NotImplementedError, struct.error)

_SAVED: Final = "tokenizer.json"
_HUB: Final = ("cache_dir", "local_files_only", "revision", "token")  # say where files are found
_NO_ERROR: Final = (
    "_raise_exceptions_for_missing_entries",
    "_raise_exceptions_for_connection_errors",
)

# What tokenizers split in different ways: newlines, digits, spaces, accents, scripts, marks.
_TEXT: Final = (
    "It's 1234.5, isn't it?\n\n  Größe, e\u0301: 中文。 नमस्ते 👍\t\ttab\r\n"
    '<payoff>{"DQ_AQ": {"LLM": -1.5}}</payoff>\n\n\n   x=f(a)[0]  \u00a0end \n'
)


def load_tokenizer(name: str | Path, **options: Any) -> "PreTrainedTokenizerBase":
    """Load a tokenizer as it was saved; `gtalign.models.Chat` makes it ready for conversations.

    transformers opens a tokenizer by the class that belongs to the model's type, and many classes
    split text by rules of their own. Where these differ from the rules in ``tokenizer.json``, with
    which the model was trained, the rules in the file hold.

    Args:
        name: A name of a model; see `gtalign.models.place`.
        options: Options of ``from_pretrained``.

    Raises:
        ConfigError: There is no tokenizer.
    """
    return _load(name, lambda: _as_saved(place(name), options))


def _as_saved(found: Place, options: Mapping[str, Any]) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.utils import cached_file

    opened = AutoTokenizer.from_pretrained(found.where, **found.options, **options)
    if found.file is not None or not opened.is_fast or type(opened) is PreTrainedTokenizerFast:
        return opened  # there is no file, or it is used as it is
    looked = {key: options[key] for key in _HUB if key in options}
    looked |= dict.fromkeys(_NO_ERROR, False)
    if cached_file(found.where, _SAVED, **looked) is None:
        return opened
    saved = PreTrainedTokenizerFast.from_pretrained(found.where, **options)
    text = f"{_TEXT}{saved.eos_token or ''}{_TEXT}"
    ids = saved(text, add_special_tokens=False)["input_ids"]
    same = ids == opened(text, add_special_tokens=False)["input_ids"]
    if same and saved.decode(ids) == opened.decode(ids):
        return opened
    log.warning(
        "%s: transformers opens its tokenizer as %s, which splits text otherwise than its %s says;"
        " the file is used. Other programs that open it by transformers may ask the model in other"
        " tokens than it was trained on.",
        found.label,
        type(opened).__name__,
        _SAVED,
    )
    return saved


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
        if (absent := missing(name)) is not None:
            raise ConfigError(absent) from error
        reason = str(error).strip().partition("\n")[0]
        problem = (
            "cannot be read as a GGUF file"
            if is_gguf(name)
            else "no checkpoint folder, and no model that a hub gives"
        )
        raise ConfigError(f"{name}: {problem}: {reason}") from error
