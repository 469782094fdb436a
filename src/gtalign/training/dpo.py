"""Training on preferences with TRL's DPO trainer.

DPO (Rafailov et al., arXiv 2305.18290) raises the probability of the better of two answers against
the worse one. Where both begin alike, as after an edited matrix, what they share cancels out: the
model learns only from where they part.
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from gtalign.models.model import LocalModel
from gtalign.synthesis import Pair
from gtalign.training.checkpoints import finished
from gtalign.training.copies import Copies
from gtalign.training.log import MetricsLog
from gtalign.training.lora import lora_config
from gtalign.training.options import shared_options
from gtalign.training.processes import processes
from gtalign.training.settings import DPOSettings
from gtalign.training.stopping import fit


def train_dpo(
    model: LocalModel,
    pairs: Sequence[Pair],
    folder: Path,
    settings: DPOSettings,
    seed: int,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train a model on preferences and return its checkpoint, ``folder / "checkpoint"``.

    An interrupted stage resumes from its last intermediate checkpoint; a finished one is returned
    as it is. Low-rank updates are merged into the checkpoint, which is an ordinary one.

    Args:
        model: To train; what it is at the start is what it is held to.
        pairs: What it learns; `whole_pairs` leaves out those that are too long.
        folder: Folder of the stage.
        settings: Settings of the stage.
        seed: Seed of the order of the pairs and of dropout.
        callbacks: Further callbacks of the trainer.

    Raises:
        TrainingError: The model's chat template cannot be trained with, or refuses a prompt.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    team = processes(settings.hardware.gpu)
    copies = None if settings.checkpoints is None else Copies(settings.checkpoints)
    if team.at_first(lambda: finished(target, scratch, copies)):
        return target
    model.chat.check()
    part = settings.batch // settings.hardware.accumulation
    share = team.share("dpo.batch / dpo.hardware.accumulation", part)
    rows = Dataset.from_list(
        [
            {
                "prompt": model.chat.fit(pair.prompt),
                "chosen": [{"role": "assistant", "content": pair.chosen}],
                "rejected": [{"role": "assistant", "content": pair.rejected}],
            }
            for pair in pairs
        ]
    )
    args = DPOConfig(
        **shared_options(settings, scratch, seed),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=share,
        warmup_steps=5,
        beta=settings.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, settings.likelihood],
        max_length=settings.max_length,
        logging_steps=math.gcd(10, settings.save_steps),
    )
    trainer = DPOTrainer(
        model=model.network,
        # Under low-rank updates the weights below them are what the model was.
        ref_model=copy.deepcopy(model.network) if settings.lora is None else None,
        args=args,
        train_dataset=rows,
        processing_class=model.chat.tokenizer,
        callbacks=[MetricsLog(folder / "metrics.jsonl"), *callbacks],
        peft_config=None if settings.lora is None else lora_config(settings.lora),
    )
    return fit(trainer, model.chat, target, scratch, team, copies)
