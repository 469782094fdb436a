"""The tokens of one message and the text that they spell, which may be replaced by another."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

from gtalign.errors import SteeringError
from gtalign.models.tokens import continuing_tokens

__all__ = ["Spelling"]


class Spelling:
    """A message that grows token by token.

    Args:
        tokenizer: A fast tokenizer.
        name: Name of its model, for errors.

    Attributes:
        text: The message so far.
        ids: Its tokens.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        self.text = ""
        self.ids: list[int] = []
        self._tokenizer = tokenizer
        self._name = name
        # Where the message can be cut: numbers of tokens, and of the characters that they spell.
        self._cuts: list[tuple[int, int]] = [(0, 0)]
        self._stream = DecodeStream(skip_special_tokens=True)

    def add(self, token: int) -> str:
        """Append a token; returns what it adds to the text, which may be nothing yet."""
        self.ids.append(token)
        spelled = self._stream.step(self._tokenizer.backend_tokenizer, token)
        if not spelled:
            return ""
        self.text += spelled
        self._cuts.append((len(self.ids), len(self.text)))
        return str(spelled)

    def replace(self, text: str) -> int:
        """Replace the message; tokens before its first changed character stay as they are.

        Returns:
            The number of tokens that stay.

        Raises:
            SteeringError: The tokenizer has no tokens that spell the text.
        """
        same = _common(self.text, text)
        kept = bisect_right(self._cuts, same, key=lambda cut: cut[1]) - 1
        count, start = self._cuts[kept]
        tail = continuing_tokens(self._tokenizer, text[start:])
        ids, cuts = self.ids[:count], self._cuts[: kept + 1]
        stream = DecodeStream(ids=ids, skip_special_tokens=True)
        read = ""
        for token in tail:
            ids.append(token)
            spelled = stream.step(self._tokenizer.backend_tokenizer, token)
            if spelled:
                read += spelled
                cuts.append((len(ids), start + len(read)))
        if read != text[start:]:  # a tokenizer that normalises may spell one of the same length
            raise SteeringError(f"{self._name}: its tokenizer cannot spell {text[start:]!r}")
        self.text, self.ids, self._cuts, self._stream = text, ids, cuts, stream
        return count


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of characters that two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
