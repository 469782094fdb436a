"""Cold start: supervised training on written chains."""

import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from gtalign.errors import TrainingError
from gtalign.models.chat import Lesson
from gtalign.models.model import LocalModel
from gtalign.training.checkpoints import finished
from gtalign.training.copies import Copies
from gtalign.training.log import MetricsLog
from gtalign.training.lora import lora_config
from gtalign.training.optimizer import MuonWithAdamW
from gtalign.training.options import shared_options
from gtalign.training.processes import processes
from gtalign.training.settings import SFTSettings
from gtalign.training.stopping import fit


def train_sft(
    model: LocalModel,
    lessons: Sequence[Lesson],
    folder: Path,
    settings: SFTSettings,
    seed: int,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train a model on written answers and return its checkpoint, ``folder / "checkpoint"``.

    An interrupted stage resumes from its last intermediate checkpoint; a finished one is returned
    as it is. Low-rank updates are merged into the checkpoint, which is an ordinary one.

    Args:
        model: To train.
        lessons: What it learns, as its ``chat`` wrote it.
        folder: Folder of the stage.
        settings: Settings of the stage.
        seed: Seed of the order of the lessons and of dropout.
        callbacks: Further callbacks of the trainer, such as `HeldOut`.

    Raises:
        TrainingError: No lesson has any of its answer within the longest length.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    team = processes(settings.hardware.gpu)
    copies = None if settings.checkpoints is None else Copies(settings.checkpoints)
    if team.at_first(lambda: finished(target, scratch, copies)):
        return target
    part = settings.batch // settings.hardware.accumulation
    share = team.share("sft.batch / sft.hardware.accumulation", part)
    rows = Dataset.from_list(
        [
            {
                "input_ids": lesson.ids,
                "completion_mask": _learned(lesson, settings.completion_only),
            }
            for lesson in lessons
        ]
    )
    args = SFTConfig(
        **shared_options(settings, scratch, seed),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=share,
        warmup_steps=settings.warmup,
        max_length=settings.max_length,
        completion_only_loss=True,  # of what the mask says
        # No log spans a checkpoint: a resumed run could not average over what came before it.
        logging_steps=math.gcd(10, settings.save_steps),
        packing=settings.packing,
    )
    optimizer = None
    if settings.matrix_learning_rate is not None:
        optimizer = MuonWithAdamW(
            model.network, settings.matrix_learning_rate, settings.learning_rate
        )
    trainer = SFTTrainer(
        model=model.network,
        args=args,
        train_dataset=rows,
        processing_class=model.chat.tokenizer,
        optimizers=(optimizer, None),
        callbacks=[MetricsLog(folder / "metrics.jsonl"), *callbacks],
        peft_config=None if settings.lora is None else lora_config(settings.lora),
    )
    if not len(trainer.train_dataset):
        raise TrainingError(
            f"the prompts alone fill sft.max_length = {settings.max_length} tokens: there is"
            " nothing to learn; raise it"
        )
    return fit(trainer, model.chat, target, scratch, team, copies)


def _learned(lesson: Lesson, completion_only: bool) -> list[int]:
    """Return for each token of a lesson whether the model learns it, 1 or 0."""
    first = max(lesson.given, lesson.start if completion_only else 0)
    return [int(n >= first) for n in range(len(lesson.ids))]
