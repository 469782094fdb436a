"""Load models and tokenizers from a folder or a hub; errors give the reason in one line.

Only the functions load torch and transformers: importing this module is cheap.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtalign.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(name: str | Path, **options: Any) -> "PreTrainedTokenizerBase":
    """Load a tokenizer.

    Args:
        name: A checkpoint folder, or the name of a model on a hub.
        options: Options of ``from_pretrained``.

    Raises:
        ConfigError: There is no tokenizer.
    """
    from transformers import AutoTokenizer

    return _load(AutoTokenizer, name, options)


def load_model(name: str | Path, *, dtype: str = "float32", **options: Any) -> "PreTrainedModel":
    """Load a causal language model, onto the CPU.

    Args:
        name: A checkpoint folder, or the name of a model on a hub.
        dtype: Type of its weights, such as ``bfloat16``; ``auto`` keeps that of the checkpoint.
        options: Of ``from_pretrained``.

    Raises:
        ConfigError: There is no such model.
    """
    from transformers import AutoModelForCausalLM

    return _load(AutoModelForCausalLM, name, {"dtype": dtype, **options})


def _load(kind: Any, name: str | Path, options: dict[str, Any]) -> Any:
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"{name}: no checkpoint folder, and no model that a hub gives: {reason}"
        ) from error
