"""Reinforcement learning with TRL's GRPO under a welfare reward."""

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from gtalign.tasks import Question
from gtalign.training.checkpoints import last_checkpoint, publish
from gtalign.training.log import MetricsLog
from gtalign.training.settings import RLSettings

RewardFunction = Callable[..., Awaitable[list[float | None]]]


def train_rl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    reward: RewardFunction,
    folder: Path,
    settings: RLSettings,
    seed: int,
) -> Path:
    """Train a model under a reward and return its checkpoint, ``folder / "checkpoint"``.

    A stage that was killed goes on from its last intermediate checkpoint, with the generators'
    states, so that it ends as if it had not been killed.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    if target.exists():
        return target
    rows = Dataset.from_list(
        [{"prompt": list(q.messages), "question": json.dumps(q.to_json())} for q in questions]
    )
    args = GRPOConfig(
        output_dir=str(scratch),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.questions * settings.group,
        num_generations=settings.group,
        steps_per_generation=1,
        max_completion_length=settings.max_completion,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=5,
        beta=settings.beta,
        temperature=settings.temperature,
        logging_steps=1,
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
    trainer = GRPOTrainer(
        model=model,
        args=args,
        reward_funcs=reward,
        train_dataset=rows,
        processing_class=tokenizer,
        callbacks=[MetricsLog(folder / "metrics.jsonl")],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(scratch))
    publish(trainer.model, tokenizer, target, scratch)
    return target
