"""Low-rank updates as peft knows them."""

from typing import Any

from gtalign.training.settings import LoRASettings


def lora_config(settings: LoRASettings) -> Any:
    """Return peft's configuration of updates to all linear layers but the last."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
