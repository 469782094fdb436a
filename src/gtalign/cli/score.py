"""``gtalign score``: add factors, welfare and verdicts to existing answers."""

import asyncio
import itertools
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, aclosing, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli import AsJsonLines
from gtalign.cli.show.progress import Bar
from gtalign.cli.show.table import print_table
from gtalign.config import load
from gtalign.errors import ConfigError
from gtalign.judges import Judges, JudgesConfig
from gtalign.judges.failures import Failures
from gtalign.models.tokens import counter_in
from gtalign.reward import Reward, RewardConfig
from gtalign.transcripts import Scorer
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.means import Means
from gtalign.transcripts.scored_file import FileScorer

log = logging.getLogger(__name__)

_REASONS = 5  # reasons for unscored rows that are printed
_WINDOW = 64  # latest judgements of which too many may fail


def command(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSON Lines: transcripts, verl dumps, chat logs or recorded test vectors."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Preset of the reward: robust (default), paper, released or released-eval."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file with the reward; it takes the place of --preset."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one key of the reward, such as llm.format=0.3.",
        ),
    ] = None,
    judge: Annotated[
        Path | None,
        typer.Option(help="A TOML file of judges, which are asked for missing verdicts."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Largest number of judgements at once.")] = 64,
    max_failed: Annotated[
        float,
        typer.Option(min=0, max=1, help="The command stops if a larger share of judgements fails."),
    ] = 0.5,
    task: Annotated[
        str, typer.Option(help="Task of rows that name no task, such as plain chat logs.")
    ] = TASK,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Append the scored transcripts to this file. Rows that it holds are skipped;"
            " judges are asked again only for missing verdicts."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="Folder with a tokenizer.json, which counts the tokens."),
    ] = None,
    attack: Annotated[
        bool,
        typer.Option("--attack", help="Measure what attacks on the reward earn; takes no FILE."),
    ] = False,
    as_json: AsJsonLines = False,
) -> None:
    r"""Score recorded answers: transcripts, verl dumps and chat logs.

    Without --judge, the command uses only recorded verdicts; an answer without
    a verdict gets no score. Judges grade by task: a chat log whose rows name
    no task needs --task (math-hard, medium, wildguard, ambig_qa, ...). Lengths
    are counted in tokens of --tokenizer. Without one, they are the recorded
    numbers of tokens, or if there are none, numbers of words.

    Examples:
        gtalign score runs/lab/seed-0/mutual/transcripts.jsonl
        gtalign score chats.jsonl --task medium --judge judges.toml \
            --out scored.jsonl
        gtalign score transcripts.jsonl --preset released \
            --set llm.format=0.3 --json
        gtalign score --attack
    """
    chosen = _configure(preset, config, overrides or [])
    if attack:
        named = chosen if preset or config or overrides else None
        _attack(file, named, as_json)
        return
    if file is None:
        raise ConfigError("name a FILE to score, or give --attack")
    if out is not None and out.exists() and file.exists() and out.samefile(file):
        raise ConfigError(f"--out {out} is the input itself; name another file")
    count = None if tokenizer is None else counter_in(tokenizer)
    unit = "words" if tokenizer is None else f"tokens of {tokenizer.name}"
    judges = None if judge is None else Judges(load(JudgesConfig, judge))
    failures = Failures(max_failed, _WINDOW)
    scorer = Scorer(Reward(chosen, count), judges, failures, recount=count is not None)
    means = Means()
    unscored: Counter[str] = Counter()

    async def work(advance: Callable[[], None]) -> None:
        rows = FileScorer(scorer, unit, workers).score(file, out, task)
        async with judges or nullcontext(), aclosing(rows):
            async for row in rows:
                means.add(row.transcript.task, row.unit, row.score)
                advance()
                if row.kept:
                    continue
                if row.score.unscored is not None:
                    unscored[row.score.unscored] += 1
                if as_json:
                    print(json.dumps(row.to_json()))

    try:
        with ExitStack() as stack:
            asyncio.run(work(_progress(stack, file)))
    finally:
        for name, account in () if judges is None else judges.account().items():
            log.info("judge %s: %s", name, json.dumps(account))
    if not as_json:
        print_table(Console(), means.title(chosen), means.table())
    for reason, times in unscored.most_common(_REASONS):
        typer.echo(f"{times} without a score: {reason}", err=True)
    failures.end()


def _attack(file: Path | None, config: RewardConfig | None, as_json: bool) -> None:
    from gtalign.lab import attack_report as attack  # the small world, which scoring does without

    if file is not None:
        raise ConfigError("--attack writes its own completions: leave out the FILE")
    rewards: Mapping[str, RewardConfig]
    rewards = attack.presets() if config is None else {config.preset: config}
    if as_json:
        for line in attack.lines(rewards):
            print(line)
    else:
        Console().print(attack.table(rewards))


def _configure(preset: str | None, file: Path | None, overrides: list[str]) -> RewardConfig:
    if preset is not None and file is not None:
        raise ConfigError("give --preset or --config, not both: a file names its own preset")
    # Run configurations hold the reward as a table; its keys work here by the same names.
    changed = [override.removeprefix("reward.") for override in overrides]
    return load(RewardConfig, file, changed, {"preset": ("--preset", preset)})


def _progress(stack: ExitStack, file: Path) -> Callable[[], None]:
    """Show progress on a terminal; return a function that advances it by a row."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda: None
    with file.open("rb") as lines:
        total = sum(1 for line in lines if not line.isspace())
    bar = stack.enter_context(Bar(console, "{task.completed}/{task.total}"))
    done = itertools.count(1)
    return lambda: bar(next(done), total, "scored")
