"""Options that all trainers share."""

from pathlib import Path
from typing import Any

from gtalign.training.settings import DPOSettings, RLSettings, SFTSettings


def shared_options(
    settings: SFTSettings | DPOSettings | RLSettings, scratch: Path, seed: int
) -> dict[str, Any]:
    """Return the options of TRL's configurations that do not depend on what is learned.

    Args:
        settings: Settings of the stage.
        scratch: Folder of its intermediate checkpoints, of which the last one is kept.
        seed: Seed of the stage.
    """
    hardware = settings.hardware
    return {
        "output_dir": str(scratch),
        "gradient_accumulation_steps": hardware.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "save_steps": settings.save_steps,
        "save_total_limit": 1,
        "logging_nan_inf_filter": False,  # it would hide a loss that is not finite
        "seed": seed,
        "bf16": hardware.bf16,
        "gradient_checkpointing": hardware.gradient_checkpointing,
        "use_cpu": not hardware.gpu,
        "report_to": list(settings.report_to) or "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": hardware.gpu,
    }
