"""How much memory training takes, roughly, from the sizes of a network; no weights are loaded."""

from typing import Final

from gtalign.models.memory import GIB, ModelSize
from gtalign.training.layout import Layout
from gtalign.training.settings import LoRASettings

FORMULA: Final = (
    "weights P*b; gradients T*b; AdamW 2*T*b; activations n*w*(34*l) bytes per 2-byte number, or"
    " n*w*(2*l + 34) with gradient checkpointing; logits 2*n*v*4. P parameters, T those that learn"
    " (with LoRA, rank*(in + out) of each linear layer), b bytes a number (4, also under bf16"
    " autocast), n tokens in a part of a batch, w width, l layers, v vocabulary. Over several GPUs:"
    " what is shared out is divided by their number, ZeRO-3 and FSDP2 gather two parts of the"
    " network at a time, and DDP holds the gradients once more"
)
"""The activations are those of Korthikanti and others (2022) without the attention matrix."""


def trainable(size: ModelSize, lora: LoRASettings | None) -> int:
    """Return how many parameters learn; key and value matrices are taken to be square."""
    if lora is None:
        return size.parameters
    attention = 4 * 2 * size.width
    mlp = 3 * (size.width + size.intermediate)
    return lora.rank * size.layers * (attention + mlp)


def _largest_part(size: ModelSize) -> int:
    """Parameters of the largest part that is gathered at once: a layer, or the embeddings."""
    embeddings = size.vocabulary * size.width
    return max(embeddings, (size.parameters - embeddings) // size.layers)


def memory(
    size: ModelSize,
    *,
    tokens: int,
    lora: LoRASettings | None = None,
    bf16: bool = False,
    checkpointing: bool = False,
    reference: bool = False,
    layout: Layout | None = None,
) -> dict[str, float]:
    """Return the memory of one training step in GiB, by what it is for; see `FORMULA`.

    Args:
        size: Of the network.
        tokens: In the part of a batch that is computed at once, padding included.
        lora: Low-rank updates, if only those learn.
        bf16: Whether activations take 2 bytes instead of 4.
        checkpointing: Whether activations inside a layer are computed again.
        reference: Whether a second, frozen copy of the weights is held.
        layout: Over which GPUs the network is laid out; the result is that of one of them.
    """
    layout = layout or Layout()
    of_all = layout.processes if layout.sharding == "all" else 1
    of_learning = layout.processes if layout.sharding != "nothing" else 1
    learning = trainable(size, lora)
    extra = learning if lora is not None else 0
    number = 2 if bf16 else 4
    per_token = (2 * size.layers + 34) if checkpointing else 34 * size.layers
    parts = {
        "weights": 4 * (size.parameters + extra) // of_all,
        "gathered": 0 if of_all == 1 else 8 * _largest_part(size),
        "reference": 4 * size.parameters // of_all if reference else 0,
        "gradients": 4 * learning // of_learning,
        "buckets": 4 * learning if layout.processes > 1 and of_learning == 1 else 0,
        "optimizer": 8 * learning // of_learning,
        "activations": tokens * size.width * per_token * number // 2,
        "logits": 8 * tokens * size.vocabulary,
    }
    found = {name: value / GIB for name, value in parts.items() if value}
    return {**found, "total": sum(found.values())}
