"""Reinforcement learning with TRL's GRPO under a welfare reward."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from gtalign.game import USER_LLM, GameForm
from gtalign.models.model import LocalModel
from gtalign.tasks import Message, Question
from gtalign.training.checkpoints import finished
from gtalign.training.copies import Copies
from gtalign.training.log import MetricsLog
from gtalign.training.lora import lora_config
from gtalign.training.options import shared_options
from gtalign.training.processes import processes
from gtalign.training.rollouts import RewardFunction, Rollouts, obedience_in, ordinary
from gtalign.training.settings import RLSettings
from gtalign.training.stopping import fit


def train_rl(
    model: LocalModel,
    questions: Sequence[Question],
    reward: RewardFunction | Sequence[RewardFunction],
    folder: Path,
    settings: RLSettings,
    seed: int,
    prompt: Callable[[Question], Sequence[Message]] = lambda question: question.messages,
    callbacks: Sequence[TrainerCallback] = (),
    form: GameForm = USER_LLM,
) -> Path:
    """Train a model under a reward and return its checkpoint, ``folder / "checkpoint"``.

    An interrupted stage resumes from its last intermediate checkpoint and the states of its random
    generators, so it ends with the same weights. Low-rank updates are merged into the checkpoint,
    which is an ordinary one.

    Args:
        model: Model to train.
        questions: Questions to answer.
        reward: Scores completions; takes the column ``question``. Of several rewards, each is
            normalised within its group, and the sum is trained on (GDPO, arXiv 2601.05242).
        folder: Folder of the stage.
        settings: Settings of the stage.
        seed: Seed of the order of the questions and of sampling.
        prompt: Makes the messages for a question; by default its bare messages.
        callbacks: Further callbacks of the trainer, such as `CompletionLog`.
        form: The game that chains are about.

    Raises:
        TrainingError: The model's chat template cannot be trained with, or refuses a prompt.
    """
    target, scratch = folder / "checkpoint", folder / "checkpoints"
    team = processes(settings.hardware.gpu)
    copies = None if settings.checkpoints is None else Copies(settings.checkpoints)
    if team.at_first(lambda: finished(target, scratch, copies)):
        return target
    model.chat.check()
    rows = Dataset.from_list(
        [
            {"prompt": model.chat.fit(prompt(q)), "question": json.dumps(q.to_json())}
            for q in questions
        ]
    )
    rewards = [reward] if callable(reward) else list(reward)
    args = grpo_config(model, settings, scratch, seed, several=len(rewards) > 1)
    rollouts = None
    if settings.counterfactual:
        team.share("with rl.counterfactual, rl.questions", settings.questions)  # whole groups
        rewards = [*map(ordinary, rewards), obedience_in(form)]
        rollouts = Rollouts(
            model,
            group=settings.group,
            share=settings.counterfactual,
            max_tokens=settings.max_completion,
            temperature=settings.temperature,
            seed=seed,
            rank=team.rank,
            form=form,
        )
    trainer = GRPOTrainer(
        model=model.network,
        args=args,
        reward_funcs=rewards,
        rollout_func=rollouts,
        train_dataset=rows,
        processing_class=model.chat.tokenizer,
        callbacks=[MetricsLog(folder / "metrics.jsonl"), *callbacks],
        peft_config=None if settings.lora is None else lora_config(settings.lora),
    )
    return fit(trainer, model.chat, target, scratch, team, copies)


def grpo_config(
    model: LocalModel, settings: RLSettings, scratch: Path, seed: int, *, several: bool
) -> GRPOConfig:
    """Return TRL's configuration of a stage.

    Args:
        model: Model to train.
        settings: Settings of the stage.
        scratch: Folder of its intermediate checkpoints.
        seed: Seed of the stage.
        several: Whether there are several rewards.
    """
    hardware = settings.hardware
    return GRPOConfig(
        **shared_options(settings, scratch, seed),
        max_steps=settings.steps,
        per_device_train_batch_size=processes(hardware.gpu).share(
            "rl.questions * rl.group / rl.hardware.accumulation",
            settings.questions * settings.group // hardware.accumulation,
        ),
        num_generations=settings.group,
        steps_per_generation=hardware.accumulation,
        max_completion_length=settings.max_completion,
        warmup_steps=5,
        beta=settings.beta,
        temperature=settings.temperature,
        scale_rewards=settings.scale_rewards or "group",
        multi_objective_aggregation="normalize_then_sum" if several else "sum_then_normalize",
        logging_steps=1,
        use_vllm=settings.vllm,
        vllm_mode="colocate" if settings.vllm_server is None else "server",
        vllm_server_base_url=settings.vllm_server,
        vllm_gpu_memory_utilization=settings.vllm_memory,
        # vLLM knows the ends that the checkpoint's file states, and no others.
        generation_kwargs={"stop_token_ids": sorted(model.ends)} if settings.vllm else None,
    )
