"""A stage of reinforcement learning over whole conversations with simulated users."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import TrainerCallback
from trl import GRPOTrainer

from gtalign.models.model import LocalModel
from gtalign.training.checkpoints import finished
from gtalign.training.copies import Copies
from gtalign.training.credit import TurnTrainer
from gtalign.training.log import MetricsLog
from gtalign.training.lora import lora_config
from gtalign.training.processes import processes
from gtalign.training.rl import grpo_config
from gtalign.training.settings import RLSettings
from gtalign.training.stopping import fit

__all__ = ["train_turns"]


def train_turns(
    model: LocalModel,
    spec: dict[str, Any],
    folder: Path,
    settings: RLSettings,
    seed: int,
    *,
    credit: Literal["conversation", "turn"] = "conversation",
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train a model on conversations and return its checkpoint, ``folder / "checkpoint"``.

    An interrupted stage resumes as that of `gtalign.training.rl.train_rl` does.

    Args:
        model: Model to train.
        spec: What `gtalign.training.conversations.conversation_spec` returns for it.
        folder: Folder of the stage.
        settings: Settings of the stage.
        seed: Seed of the order of the questions and of sampling.
        credit: Whether a conversation is compared with its whole group, or its n-th answer only
            with conversations that also have an n-th answer (`gtalign.training.credit`).
        callbacks: Further callbacks of the trainer.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    team = processes(settings.hardware.gpu)
    copies = None if settings.checkpoints is None else Copies(settings.checkpoints)
    if team.at_first(lambda: finished(target, scratch, copies)):
        return target
    trainer = TurnTrainer if credit == "turn" else GRPOTrainer
    return fit(
        trainer(
            model=model.network,
            args=grpo_config(model, settings, scratch, seed, several=len(spec["reward_funcs"]) > 1),
            processing_class=model.chat.tokenizer,
            callbacks=[MetricsLog(folder / "metrics.jsonl"), *callbacks],
            peft_config=None if settings.lora is None else lora_config(settings.lora),
            **spec,
        ),
        model.chat,
        target,
        scratch,
        team,
        copies,
    )
