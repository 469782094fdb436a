"""Chat templates, tokenizers that know their marks, and conversations to try them with."""

import copy
import re
from pathlib import Path
from typing import Any, Final

import trl

from gtalign.tasks import Message
from small_lab import small_tokenizer

FOLDER: Final = Path(trl.__file__).parent / "chat_templates"
SHIPPED: Final = sorted(
    file.stem for file in FOLDER.glob("*.jinja") if not file.stem.endswith("_training")
)
"""Templates that models are published with, by TRL's names for them."""

ASKED = (Message(role="user", content="Who owns it?"),)
KIND = (Message(role="system", content="Be kind."), *ASKED)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_MARK = re.compile(
    r"<[|\uff5c][^<>{}'\"\s]+[|\uff5c]>|</?s>|<\w+_of_\w+>|<[a-z_]+\|>|<\|[a-z_]+>|\[/?INST\]"
)
_SMALL = small_tokenizer()
_PLAIN = re.compile(r"think|tool")


def shipped(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def tokenizer_with(template: str, **changes: Any) -> Any:
    """Return a tokenizer with this chat template, which knows the template's marks as tokens."""
    tokenizer = copy.deepcopy(_SMALL)
    marks = sorted({mark for mark in _MARK.findall(template) if not _PLAIN.search(mark)})
    tokenizer.add_tokens(marks, special_tokens=True)
    tokenizer.chat_template = template
    tokenizer.bos_token = "<|endoftext|>"
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer
