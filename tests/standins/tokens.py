"""A toy tokenizer over bytes: 1-4 bytes a token, characters split across tokens, text exact.

What stands between two tags is one token, as in real tokenizers.
"""

import re
from collections.abc import Iterable, Sequence

IM_START, END, IM_END = 1, 2, 3
SPECIAL = {"<|im_start|>": IM_START, "</s>": END, "<|im_end|>": IM_END}
_NAMES = {number: name for name, number in SPECIAL.items()}
BETWEEN = ">\n<"
_SPLIT = re.compile("(" + "|".join(map(re.escape, [*SPECIAL, BETWEEN])) + ")")


def encode(text: str, salt: int = 0) -> list[int]:
    """Text to tokens; another salt cuts elsewhere, as a model's own choice of tokens may."""
    ids: list[int] = []
    for part in _SPLIT.split(text):
        if part in SPECIAL:
            ids.append(SPECIAL[part])
            continue
        data = part.encode()
        while data:
            size = len(BETWEEN) if part == BETWEEN else 1 + (data[0] + len(data) + salt) % 4
            piece, data = data[:size], data[size:]
            ids.append(int.from_bytes(bytes([len(piece)]) + piece, "big"))
    return ids


def bytes_of(token: int) -> bytes:
    if token in _NAMES:
        return _NAMES[token].encode()
    return token.to_bytes((token.bit_length() + 7) // 8, "big")[1:]


def decode(ids: Iterable[int]) -> str:
    return b"".join(map(bytes_of, ids)).decode("utf-8", "replace")


def texts(ids: Sequence[int]) -> list[str]:
    """The text that each token brings; none while a character is not whole."""
    shown: list[str] = []
    held = b""
    for token in ids:
        held += bytes_of(token)
        try:
            shown.append(held.decode())
            held = b""
        except UnicodeDecodeError:
            shown.append("")
    if held and shown:
        shown[-1] += held.decode("utf-8", "replace")
    return shown
