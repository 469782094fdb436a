"""Cold start: supervised training on written chains."""

import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from pydantic import PositiveFloat, PositiveInt
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from gtalign.config import Config
from gtalign.tasks import Message
from gtalign.training.checkpoints import last_checkpoint, publish
from gtalign.training.metrics import MetricsLog
from gtalign.training.optimizer import MuonWithAdamW


class SFTSettings(Config):
    """Settings of the cold start; lengths in tokens.

    ``completion_only`` leaves the prompt out of the loss. A model from scratch had better learn the
    prompts as well: what it is asked is all the language that it ever sees. With a
    ``matrix_learning_rate`` its matrices learn by Muon; without one, all learns by AdamW.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 32
    learning_rate: PositiveFloat = 3e-3
    matrix_learning_rate: PositiveFloat | None = None
    max_length: PositiveInt = 512
    completion_only: bool = True
    save_steps: PositiveInt = 100


Example = tuple[Sequence[Message], str]
"""A conversation and the completion to learn."""


def train_sft(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    folder: Path,
    settings: SFTSettings,
    seed: int,
) -> Path:
    """Train a model on examples and return its checkpoint, ``folder / "checkpoint"``.

    A stage that was killed goes on from its last intermediate checkpoint; a finished one is
    returned as it is.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    if target.exists():
        return target
    rows = Dataset.from_list(
        [
            {"prompt": list(prompt), "completion": [{"role": "assistant", "content": completion}]}
            for prompt, completion in examples
        ]
    )
    args = SFTConfig(
        output_dir=str(scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=20,
        max_length=settings.max_length,
        completion_only_loss=settings.completion_only,
        # No log spans a checkpoint: a resumed run could not average over what came before it.
        logging_steps=math.gcd(10, settings.save_steps),
        save_steps=settings.save_steps,
        save_total_limit=1,
        seed=seed,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    optimizer = None
    if settings.matrix_learning_rate is not None:
        optimizer = MuonWithAdamW(model, settings.matrix_learning_rate, settings.learning_rate)
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        optimizers=(optimizer, None),
        callbacks=[MetricsLog(folder / "metrics.jsonl")],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(scratch))
    publish(trainer.model, tokenizer, target, scratch)
    return target
