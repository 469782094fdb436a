"""``gtalign rl``: reinforcement learning under the welfare reward."""

import asyncio
import importlib.util
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gtalign.cli import AsJson, DryTraining, RunConfig, RunFolder, changes
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.data.rows import read_rows
from gtalign.data.run_directory import claim
from gtalign.data.schema import given
from gtalign.errors import ConfigError, DataError
from gtalign.judges import Judges
from gtalign.models.pretrained import pretrained
from gtalign.models.tokens import token_counter
from gtalign.reward import NormalisedReward, Reward
from gtalign.tasks import Message, Question
from gtalign.training.disk import room_in
from gtalign.training.memory import FORMULA, memory
from gtalign.training.metrics import read_metrics
from gtalign.training.reward import TRLReward
from gtalign.training.runs import RLRun


def command(
    config: RunConfig,
    out: RunFolder = Path("runs/rl"),
    engine: Annotated[
        Literal["trl", "verl"], typer.Option(help="trl: GRPO on this machine; verl: on Ray.")
    ] = "trl",
    overrides: Annotated[list[str] | None, changes("rl.steps=20")] = None,
    dry_run: DryTraining = False,
    as_json: AsJson = False,
) -> None:
    """Train a model for mutual welfare by GRPO, with the judges of the configuration.

    A run that was killed goes on from its last checkpoint. The trained model is in OUT/checkpoint,
    every completion with its score in OUT/transcripts.jsonl.

    Examples:
        gtalign rl --config configs/rl/small.toml --dry-run
        gtalign rl --config configs/rl/small.toml --out runs/rl
    """
    settings = load(RLRun, config, overrides or [])
    if engine == "verl":
        _need_verl()
    with results_only():
        result = plan(settings) if dry_run else run(settings, out)
    print_result(result, as_json=as_json)


def _need_verl() -> None:
    """Refuse what is not there.

    Raises:
        ConfigError: Always, for now: says what is missing.
    """
    missing = [name for name in ("verl", "ray") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--engine verl: {' and '.join(missing)} not installed; verl needs an environment of"
            " its own (transformers < 5.11): pip install 'gtalign[verl]' there"
        )
    raise ConfigError("--engine verl: this command trains with trl only; leave out --engine")


def plan(config: RLRun) -> dict[str, Any]:
    """Return what a run would do and take, without loading a model.

    Raises:
        DataError: A file is wrong.
    """
    rl = config.rl
    questions = read_questions(config)
    completions = rl.steps * rl.questions * rl.group
    calls = sum(n for q in questions for n in config.judges.calls(q.task).values())
    found: dict[str, Any] = {
        "model": config.model,
        "questions": len(questions),
        "steps": rl.steps,
        "completions": completions,
        "learns": "all weights" if rl.lora is None else f"LoRA of rank {rl.lora.rank}",
        "generation": "vLLM, colocated" if rl.vllm else "transformers",
        "judge_calls": round(completions * calls / len(questions)),
    }
    if config.size is not None:
        part = rl.questions * rl.group // rl.hardware.accumulation
        parts = memory(
            config.size,
            tokens=part * (config.max_prompt + rl.max_completion),
            lora=rl.lora,
            bf16=rl.hardware.bf16,
            checkpointing=rl.hardware.gradient_checkpointing,
            reference=rl.beta > 0 and rl.lora is None,
        )
        found |= {"memory_gib": parts, "memory_formula": FORMULA}
        if rl.vllm:
            found["memory_of_vllm"] = f"{rl.vllm_memory:.0%} of the GPU, besides"
    return found


def read_questions(config: RLRun) -> list[Question]:
    """Return the questions of a run.

    Raises:
        DataError: A file is wrong, or there are none.
    """
    every = (question for file in config.questions for question in read_rows(file))
    questions = list(islice(every, config.limit))
    if not questions:
        raise DataError(f"no questions in {', '.join(map(str, config.questions))}")
    return questions


def run(config: RLRun, out: Path) -> dict[str, Any]:
    """Train, or go on training, and return what came of it.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong or holds no question.
        JudgeError: The judges fail too often.
        StorageError: The disk is full; what is written stays.
        TrainingError: The chat template refuses the prompts.
    """
    questions = read_questions(config)
    claim(out, config)

    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gtalign.models.template import fitted
    from gtalign.training.log import CompletionLog
    from gtalign.training.rl import train_rl

    tokenizer = pretrained(AutoTokenizer, config.model)
    model = pretrained(AutoModelForCausalLM, config.model, dtype="float32")
    judges = Judges(config.judges.cached_at(out / "replies.sqlite"))
    file = out / "transcripts.jsonl"
    reward = TRLReward(
        Reward(config.reward, token_counter(tokenizer)),
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

    async def rewarded(*texts: Any, **columns: Any) -> list[float | None]:
        try:
            return await scored(*texts, **columns)
        finally:
            # Connections belong to the trainer's own loop, and nothing is told when that ends.
            for judge in judges.endpoints.values():
                await judge.aclose()

    rewarded.__name__ = reward.__name__

    def prompt(question: Question) -> list[Message]:
        chain = config.reward.chain
        return fitted(tokenizer, given(question.messages, instruct=config.instruct, chain=chain))

    try:
        with room_in(out):
            checkpoint = train_rl(
                model, tokenizer, questions, rewarded, out, settings, config.seed, prompt, [log]
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
