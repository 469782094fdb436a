"""What is wrong with a run for verl, found before a cluster is touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gtalign.errors import ConfigError
from gtalign.integrations.verl.keys import longest_course
from gtalign.integrations.verl.prompts import PromptLengths
from gtalign.models.names import is_gguf, missing
from gtalign.training.rl_run import RLRun
from gtalign.training.settings import RLSettings
from gtalign.training.verl import VerlSettings

TRACKERS: Final = frozenset(
    {"wandb", "mlflow", "swanlab", "vemlp_wandb", "tensorboard", "clearml", "trackio"}
)
"""The trackers that verl 0.9.1 knows, by the names that transformers has too or not."""


def refuse(run: RLRun, out: Path, prompts: PromptLengths) -> None:
    """Refuse a run that verl cannot carry out.

    Args:
        run: The run.
        out: Its directory.
        prompts: How long the prompts of its questions are.

    Raises:
        ConfigError: Something does not fit; the message says all of it, with the keys.
    """
    verl = run.verl or VerlSettings()
    wrong = [
        *_wrong_places(run, out),
        *_wrong_prompts(run, prompts),
        *_wrong(run, verl),
        *_wrong_judges(run, verl),
    ]
    if wrong:
        raise ConfigError("verl cannot carry out this run:\n" + "\n".join(f"  {w}" for w in wrong))


def _wrong_places(run: RLRun, out: Path) -> Iterator[str]:
    model = Path(run.model)
    if is_gguf(run.model):
        yield f"model: {run.model!r} is a GGUF file; verl trains checkpoint folders and hub names"
    elif model.exists():
        if not (model / "config.json").is_file():
            yield f"model: {run.model} is no checkpoint: there is no config.json in it"
    elif (absent := missing(run.model)) is not None:
        yield f"model: {absent}"
    there = next(path for path in (out, *out.parents) if path.exists())
    if not there.is_dir():
        yield f"--out: {there} is a file"


def _wrong_prompts(run: RLRun, prompts: PromptLengths) -> Iterator[str]:
    wanted, count = run.rl.questions, len(prompts.tokens)
    if count < wanted:
        yield f"rl.questions ({wanted}): there are only {count} questions"
    elif (fitting := count - prompts.too_long(run.max_prompt)) < wanted:
        yield (
            f"max_prompt ({run.max_prompt}): verl leaves out longer prompts, and {fitting} of"
            f" {count} fit; a step takes {wanted}. They have {min(prompts.tokens)} to"
            f" {max(prompts.tokens)} tokens ({prompts.counted})"
        )


def _wrong(run: RLRun, verl: VerlSettings) -> Iterator[str]:
    rl = run.rl
    mini = verl.mini_batch or rl.questions
    if rl.questions % mini:
        yield f"verl.mini_batch ({mini}): rl.questions ({rl.questions}) has to be a multiple of it"
    if mini * rl.group % verl.world:
        yield (
            f"verl.mini_batch * rl.group ({mini * rl.group}): has to be a multiple of the"
            f" {verl.world} GPUs that train"
        )
    longest = run.max_prompt + longest_course(run)
    if verl.tokens_per_gpu < longest:
        yield (
            f"verl.tokens_per_gpu ({verl.tokens_per_gpu}): a prompt and its completion take up to"
            f" {longest}"
        )
    if run.dialogue is not None and run.dialogue.credit == "turn":
        yield 'dialogue.credit: verl compares whole conversations; set "conversation"'
    if verl.rollout_parallel > verl.gpus:
        yield f"verl.rollout_parallel ({verl.rollout_parallel}): a machine has {verl.gpus} GPUs"
    if rl.scale_rewards == "batch":
        yield 'rl.scale_rewards: verl knows "group" and "none"'
    if rl.lora is not None and rl.lora.dropout:
        yield "rl.lora.dropout: verl trains adapters without it"
    unknown = sorted(set(rl.report_to) - TRACKERS)
    if unknown:
        yield f"rl.report_to: verl knows no {unknown[0]!r}; it knows {', '.join(sorted(TRACKERS))}"
    if rl.vllm or rl.vllm_memory != RLSettings().vllm_memory:
        yield (
            "rl.vllm, rl.vllm_memory and rl.vllm_server are TRL's: give verl.rollout and"
            " verl.rollout_memory"
        )
    if rl.checkpoints is not None:
        yield "rl.checkpoints: verl copies no checkpoints; they are in the run directory"


def _wrong_judges(run: RLRun, verl: VerlSettings) -> Iterator[str]:
    for name, endpoint in run.judges.endpoints.items():
        if endpoint.concurrency < verl.reward_workers:
            yield (
                f"judges.endpoints.{name}.concurrency ({endpoint.concurrency}): is less than the"
                f" {verl.reward_workers} processes of verl.reward_workers that share it"
            )
    judge = verl.judge
    if judge is not None and judge.endpoint not in run.judges.endpoints:
        known = ", ".join(run.judges.endpoints) or "none"
        yield f"verl.judge.endpoint: no {judge.endpoint!r} in judges.endpoints; known are {known}"
    if run.judges.cache is not None:
        yield "judges.cache: processes on several machines cannot share the file; leave it out"
