"""``gtalign eval``: let a model answer questions, score the answers and report."""

import asyncio
import shlex
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from gtalign.cli import AsJson, DryAsking, RunConfig, RunFolder, changes
from gtalign.cli.show.progress import progress_bar
from gtalign.cli.show.result import print_result, results_only
from gtalign.config import load
from gtalign.data.run_directory import claim
from gtalign.endpoints import Cache, Endpoint
from gtalign.errors import TeacherError
from gtalign.evaluation.evaluate import Answerer, EvalRun, Local, Served, evaluate, read_questions
from gtalign.evaluation.report import write_report
from gtalign.judges import Judges
from gtalign.models.pretrained import pretrained
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.training.disk import room_in
from gtalign.training.memory import GENERATION, generation
from gtalign.transcripts.transcript import read_transcripts


def command(
    config: RunConfig,
    out: RunFolder = Path("runs/eval"),
    overrides: Annotated[list[str] | None, changes("limit=50")] = None,
    dry_run: DryAsking = False,
    as_json: AsJson = False,
) -> None:
    """Let a model answer questions, judge and score the answers, and write a report.

    The model is a checkpoint or stands behind an OpenAI-compatible server. A run that was killed
    goes on when it is started again. OUT/transcripts.jsonl is for gtalign compare.

    Examples:
        gtalign eval --config configs/eval/small.toml --dry-run
        gtalign eval --config configs/eval/small.toml --out runs/eval
    """
    settings = load(EvalRun, config, overrides or [])
    with results_only():
        result = plan(settings) if dry_run else run(settings, out)
    print_result(result, as_json=as_json)


def plan(config: EvalRun) -> dict[str, Any]:
    """Count what a run would ask of whom, retries not included, and the memory of a model here."""
    tasks = Counter(question.task for question in read_questions(config))
    judges: Counter[str] = Counter()
    for task, count in tasks.items():
        for name, calls in config.judges.calls(task).items():
            judges[name] += count * calls
    found: dict[str, Any] = {
        "model": config.label,
        "questions": tasks.total(),
        "tasks": dict(tasks),
        "model_calls": 0 if config.server is None else tasks.total(),
        "judge_calls": dict(judges),
    }
    if config.size is not None and config.server is None:
        tokens = config.batch * (config.max_prompt + config.max_tokens)
        parts = generation(config.size, tokens=tokens, bf16=config.gpu)
        found |= {"memory_gib": parts, "memory_formula": GENERATION}
    return found


def run(config: EvalRun, out: Path) -> dict[str, Any]:
    """Evaluate, or go on, and return what came of it.

    Raises:
        ConfigError: The directory holds a run of another configuration.
        DataError: A file is wrong.
        JudgeError: Too many answers could not be judged; all answers are written.
        TeacherError: The model could not answer every question; what it answered is written.
        StorageError: A result cannot be written; what is written stays.
    """
    total = sum(1 for _ in read_questions(config))
    claim(out, config)
    cache = out / "replies.sqlite"
    counter = None
    if config.server is not None:
        endpoint = Endpoint(config.server, Cache(cache), TeacherError, "model")
        answerer: Answerer = Served(endpoint)
        workers = config.server.concurrency
        if config.tokenizer is not None:
            from transformers import AutoTokenizer

            counter = token_counter(pretrained(AutoTokenizer, config.tokenizer))
    else:
        endpoint, workers = None, 1
        answerer, counter = _local(config)
    file = out / "transcripts.jsonl"
    judges = Judges(config.judges.cached_at(cache))
    reward = Reward(config.reward, counter)

    async def work() -> list[str]:
        with progress_bar() as progress:
            bar = progress.add_task("answers", total=total)

            def show(done: int, problem: str | None) -> None:
                progress.update(bar, completed=done)
                if problem is not None:
                    progress.console.print(problem, markup=False)

            try:
                return await evaluate(
                    config, answerer, reward, judges, file, workers=workers, progress=show
                )
            finally:
                await judges.aclose()
                if endpoint is not None:
                    await endpoint.aclose()

    with room_in(out):
        failed = asyncio.run(work())
    transcripts = list(read_transcripts(file))
    result: dict[str, Any] = {
        "questions": total,
        "answered": len(transcripts),
        "failed": len(failed),
        "unscored": sum(transcript.unscored is not None for transcript in transcripts),
        "transcripts": str(file),
        "judges": judges.account(),
    }
    if endpoint is not None:
        result["server"] = endpoint.account()
    if failed:
        raise TeacherError(
            f"{len(failed)} of {total} questions were not answered; the same command asks again."
            f" The last: {failed[-1]}"
        )
    write_report(
        out / "report.html",
        title=f"gtalign eval: {config.label}",
        transcripts=transcripts,
        reference=config.label,
        facts={"command": shlex.join(["gtalign", *sys.argv[1:]]), "seed": str(config.seed)},
        rng=np.random.default_rng(config.seed),
    )
    return {**result, "report": str(out / "report.html")}


def _local(config: EvalRun) -> tuple[Local, Any]:
    """Load the model of a configuration; return who answers, and the counter of tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gtalign.models.generate import generate
    from gtalign.models.template import fitted

    assert config.model is not None  # else a server answers
    tokenizer = pretrained(AutoTokenizer, config.model, padding_side="left")
    counted = tokenizer
    if config.tokenizer is not None:
        counted = pretrained(AutoTokenizer, config.tokenizer)
    model = pretrained(
        AutoModelForCausalLM, config.model, dtype="bfloat16" if config.gpu else "float32"
    )
    if config.gpu:
        model = model.to("cuda")

    def write(prompts: Sequence[Any], ids: Sequence[str]) -> list[str]:
        # Of the questions, not of the batch's number: a run that goes on draws the same.
        seed = zlib.crc32(f"{config.seed} {ids[0]}".encode())
        return generate(
            model,
            tokenizer,
            [fitted(tokenizer, prompt) for prompt in prompts],
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            seed=seed,
        )

    return Local(write, config.batch), token_counter(counted)
