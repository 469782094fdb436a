"""Sizes of a network, and roughly how much memory it takes to answer; no weights are loaded."""

from typing import Final

from pydantic import PositiveInt

from gtalign.config import Config

GENERATION: Final = (
    "weights P*b; keys and values 2*n*l*k*b. P parameters, b bytes a number, n tokens of all"
    " sequences that are written at once, l layers, k width of the keys"
)

GIB: Final = float(1 << 30)
"""Bytes in a GiB."""


class ModelSize(Config):
    """Sizes of a network, as its model card gives them.

    Keys:
        parameters: Number of its parameters.
        layers: Number of its layers.
        width: Width of its layers.
        intermediate: Width inside the MLP of a layer.
        vocabulary: Number of tokens that it knows.
        kv_width: Width of the keys, if several heads share them; by default ``width``.
    """

    parameters: PositiveInt
    layers: PositiveInt
    width: PositiveInt
    intermediate: PositiveInt
    vocabulary: PositiveInt
    kv_width: PositiveInt | None = None

    @property
    def cached(self) -> int:
        """Numbers of keys and of values that a layer keeps for a token; ``width`` by default."""
        return self.kv_width or self.width


def generation(size: ModelSize, *, tokens: int, bf16: bool = False) -> dict[str, float]:
    """Return the memory of answering in GiB, by what it is for; see `GENERATION`.

    Args:
        size: Of the network.
        tokens: Of all sequences that are written at once, prompts included.
        bf16: Whether a number takes 2 bytes instead of 4.
    """
    number = 2 if bf16 else 4
    parts = {
        "weights": number * size.parameters,
        "keys_and_values": number * 2 * tokens * size.layers * size.cached,
    }
    found = {name: value / GIB for name, value in parts.items()}
    return {**found, "total": sum(found.values())}
