"""Cold start: supervised training on written chains."""

import math
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from gtalign.tasks import Message
from gtalign.training.checkpoints import last_checkpoint, publish
from gtalign.training.log import MetricsLog
from gtalign.training.optimizer import MuonWithAdamW
from gtalign.training.settings import SFTSettings

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
