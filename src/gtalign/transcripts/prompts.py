"""Name a question by its prompt, where a file gives it no id."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gtalign.data.schema import bare

_MARK: Final = "prompt:"


def by_prompt(prompt: Sequence[Mapping[str, Any]], *, system: bool = True) -> str:
    """Return a name that all answers to one prompt share; empty for an empty prompt.

    Unicode forms and whitespace do not matter, and our own system message is no part of a prompt.

    Args:
        prompt: The messages that the model got.
        system: Whether the other system messages are a part of it.
    """
    turns = bare([{"role": m["role"], "content": m["content"]} for m in prompt])
    kept = [turn for turn in turns if system or turn["role"] != "system"]
    texts = [
        f"{turn['role']}\0{_plain(turn['content'])}" for turn in kept if turn["content"].strip()
    ]
    if not texts:
        return ""
    digest = hashlib.sha256("\0\0".join(texts).encode(errors="surrogatepass"))
    return _MARK + digest.hexdigest()[:16]


def is_by_prompt(cluster: str) -> bool:
    """Whether a cluster is named by its prompt: then the ids of its rows name no question."""
    return cluster.startswith(_MARK)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
