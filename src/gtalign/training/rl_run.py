"""A run of reinforcement learning: its configuration, its dry run, and the run.

You can stop a run at any time. The same run resumes it and ends with the same weights.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Files, Share
from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.errors import ConfigError
from gtalign.files.disk import room_in
from gtalign.files.run_directory import claim, record_model
from gtalign.game.file import GameSource, load_game
from gtalign.judges import Judges, JudgesConfig
from gtalign.models.memory import ModelSize
from gtalign.models.names import is_gguf
from gtalign.models.tokens import token_counter
from gtalign.reward import NormaliseConfig, Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.training.layout import Layout, laid_out
from gtalign.training.memory import FORMULA, memory
from gtalign.training.metrics import read_metrics
from gtalign.training.normalised import NormalisedReward
from gtalign.training.processes import processes, working
from gtalign.training.reward import TRLReward
from gtalign.training.settings import GuardSettings, RLSettings
from gtalign.training.talks import TalkSettings
from gtalign.training.verl import VerlSettings


class RLReward(RewardConfig):
    """The reward of a run of reinforcement learning; it has one more key than `RewardConfig`.

    Keys:
        normalise: How rewards are normalised per task, for training on several tasks at once; by
            default they are not normalised.
    """

    normalise: NormaliseConfig | None = None


class RLRun(Config):
    """A run of reinforcement learning.

    Keys:
        model: The model that is trained: a folder, a name on a hub, ``gguf:FILE``, or
            ``package:NAME`` for an installed package with a GGUF file.
        questions: Files of questions.
        limit: Most questions in total, from the beginning; all by default.
        instruct: Whether the prompt begins with our system message, which asks for the chain.
        game: The game that chains are about: a file, or the name of one that comes with the
            package; by default that of one assistant turn.
        max_prompt: Longest prompt in tokens, for the dry run's memory. verl leaves out questions
            with longer prompts; TRL does not cut them.
        seed: Seed of the order of the questions and of sampling.
        rl: Settings of training.
        guard: When the run counts as diverged and stops itself. A loss or a gradient that is not
            finite always stops it.
        reward: Reward that training maximises.
        judges: Judges that grade the responses.
        dialogue: Conversations of several turns with simulated users, in plain answers. Their
            welfare takes the place of ``reward`` and ``judges``.
        max_failed: The run stops if a larger share of the latest ``window`` judged completions
            has no score, or of the latest conversations fails.
        window: Number of latest judged completions, or conversations, over which ``max_failed`` is
            counted.
        size: Sizes of the network, which the dry run needs.
        verl: How verl spreads the run over a cluster. Only ``--engine verl`` reads it.
    """

    model: str
    questions: Files
    limit: PositiveInt | None = None
    instruct: bool = True
    game: GameSource | None = None
    max_prompt: PositiveInt = 1024
    seed: NonNegativeInt = 0
    rl: RLSettings = RLSettings()
    guard: GuardSettings = GuardSettings()
    reward: RLReward = RLReward()
    judges: JudgesConfig = JudgesConfig()
    dialogue: TalkSettings | None = None
    max_failed: Share = 0.5
    window: PositiveInt = 256
    size: ModelSize | None = None
    verl: VerlSettings | None = None

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if self.verl is None or self.verl.algorithm != "ppo":
            _check_group(self)
        if self.dialogue is not None and (self.rl.vllm or self.rl.counterfactual):
            raise ValueError(
                "dialogue: transformers draws conversations, and they have no matrix to edit; leave"
                " out rl.vllm and rl.counterfactual"
            )
        if self.rl.vllm and is_gguf(self.model):
            raise ValueError(
                "rl.vllm loads the checkpoint folder of a model; train a GGUF model without it"
            )
        return self


def plan(config: RLRun, layout: Layout | None = None) -> dict[str, Any]:
    """Return what a run would do and how much it takes, without loading a model.

    Args:
        config: Configuration of the run.
        layout: The GPUs that it runs on; one by default.

    Raises:
        ConfigError: TRL cannot carry the run out, or a batch has no equal shares for the processes.
        DataError: A file is wrong.
    """
    _check_group(config)
    rl, layout = config.rl, layout or Layout()
    questions = list(read_rows(*config.questions, limit=config.limit))
    completions = rl.steps * rl.questions * rl.group
    calls = config.judges.calls_for(Counter(question.task for question in questions)).total()
    talks = config.dialogue
    found: dict[str, Any] = {
        "model": config.model,
        "questions": len(questions),
        "steps": rl.steps,
        "completions": completions,
        "learns": "all weights" if rl.lora is None else f"LoRA of rank {rl.lora.rank}",
        "generation": _generation(rl),
    }
    if talks is None:
        found["judge_calls"] = round(completions * calls / len(questions))
    else:
        found |= {"conversations": found.pop("completions"), "turns": f"up to {talks.turns}"}
    part, told = laid_out(layout, "rl", rl)
    found |= told
    if config.size is not None:
        parts = memory(
            config.size,
            tokens=part * (config.max_prompt + rl.max_completion * (talks.turns if talks else 1)),
            lora=rl.lora,
            bf16=rl.hardware.bf16,
            checkpointing=rl.hardware.gradient_checkpointing,
            reference=rl.beta > 0 and rl.lora is None,
            layout=layout,
        )
        found |= {"memory_gib": parts, "memory_formula": FORMULA}
        if rl.vllm and rl.vllm_server is None:
            found["memory_of_vllm"] = f"{rl.vllm_memory:.0%} of the GPU, in addition"
    return found


def _check_group(config: RLRun) -> None:
    if config.rl.group < 2:
        raise ConfigError("rl.group has to be at least 2: GRPO compares answers to one question")


def _generation(rl: RLSettings) -> str:
    if not rl.vllm:
        return "transformers, in each process"
    if rl.vllm_server is None:
        return "vLLM, colocated"
    return f"vLLM at {rl.vllm_server}, on GPUs of its own (trl vllm-serve)"


def run(config: RLRun, out: Path) -> dict[str, Any]:
    """Train a model, or resume its training, and return a summary.

    Args:
        config: Configuration of the run.
        out: Run directory; gets ``model.json`` (how the model is asked), ``checkpoint``,
            ``metrics.jsonl`` and ``transcripts.jsonl``.

    Raises:
        ConfigError: The directory holds a run of another configuration, or TRL cannot carry it out.
        DataError: A file is wrong or holds no question.
        JudgeError: The judges fail too often.
        StorageError: The disk is full; what is written stays.
        TrainingError: The chat template refuses the prompts, or the model cannot be trained with
            it.
    """
    _check_group(config)
    questions = list(read_rows(*config.questions, limit=config.limit))
    team = processes(config.rl.hardware.gpu)
    team.at_first(lambda: claim(out, config))

    from gtalign.models.model import open_model
    from gtalign.training.log import CompletionLog
    from gtalign.training.rl import train_rl
    from gtalign.training.shared import shared
    from gtalign.training.stopping import Guard

    model = open_model(config.model)
    team.at_first(lambda: record_model(out, model.facts()))
    judges, form = Judges(config.judges.cached_at(out / "replies.sqlite")), load_game(config.game)
    file = out / "transcripts.jsonl"
    reward = TRLReward(
        Reward(config.reward, token_counter(model.chat.tokenizer), form),
        judges,
        file,
        max_failed=config.max_failed,
        window=config.window,
    )
    settings, log = config.rl, CompletionLog(file)
    scored: TRLReward | NormalisedReward = reward
    if config.reward.normalise is not None:
        scored = NormalisedReward(reward, config.reward.normalise)
        log = CompletionLog(file, scored.running)
        if settings.scale_rewards is None:
            settings = settings.model_copy(update={"scale_rewards": "none"})

    def prompt(question: Question) -> list[Message]:
        wanted = {"chain": config.reward.chain, "belief": config.reward.belief}
        return given(question.messages, instruct=config.instruct, form=form, **wanted)

    rewarded = disconnecting(scored, judges)
    rewarded.__name__ = reward.__name__
    try:
        with working(out, team), room_in(out):
            checkpoint = train_rl(
                model,
                questions,
                shared(rewarded, team),
                out,
                settings,
                config.seed,
                prompt,
                [log, Guard(config.guard)],
                form,
            )
    finally:
        asyncio.run(judges.aclose())
    metrics = read_metrics(out / "metrics.jsonl")
    return {
        "checkpoint": str(checkpoint),
        "steps": config.rl.steps,
        "last": metrics[-1] if metrics else None,
        "failures": dict(reward.failures.counts),
        "judges": judges.account(),
    }


def disconnecting(scored: TRLReward | NormalisedReward, judges: Judges) -> Any:
    """Return a reward that closes the judges' connections after each batch.

    Connections belong to the trainer's own event loop, and nobody says when that ends.
    """

    async def rewarded(*texts: Any, **columns: Any) -> list[float | None]:
        try:
            return await scored(*texts, **columns)
        finally:
            for judge in judges.endpoints.values():
                await judge.aclose()

    return rewarded
