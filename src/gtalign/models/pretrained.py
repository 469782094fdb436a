"""Models and tokenizers from a folder or a hub, or one line that says why there are none."""

from pathlib import Path
from typing import Any

from gtalign.errors import ConfigError


def pretrained(kind: Any, name: str | Path, **options: Any) -> Any:
    """Load a model or a tokenizer.

    Args:
        kind: An automatic class of transformers.
        name: A checkpoint folder, or the name of a model of a hub.
        options: Of ``from_pretrained``.

    Raises:
        ConfigError: None can be loaded from there.
    """
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"{name}: no checkpoint folder, and no model that a hub gives: {reason}"
        ) from error
