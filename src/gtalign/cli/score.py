"""``gtalign score``: fill in factors, welfare and verdicts of what was answered, from anywhere."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gtalign.cli.show.table import print_table
from gtalign.config import load
from gtalign.errors import ConfigError
from gtalign.judges import Judges, JudgesConfig
from gtalign.reward import RewardConfig, Score
from gtalign.reward.judged import Failures
from gtalign.transcripts import TranscriptWriter
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.scoring import Row, Scored, Scorer, mend, read, skip_done

log = logging.getLogger(__name__)

_COLUMNS = ("user_welfare", "llm_welfare", "mutual_welfare")
_REASONS = 5  # why rows are unscored, that are told
_WINDOW = 64  # latest judgements of which too many may fail


def command(
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON Lines: transcripts, verl dumps, chat logs or recorded vectors."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="robust (the default), paper, released or released-eval."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of the reward, instead of a preset.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key, such as llm.format=0.3."),
    ] = None,
    judge: Annotated[
        Path | None,
        typer.Option(help="A TOML file of judges: ask them for the verdicts that are missing."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Most judgements under way at once.")] = 64,
    max_failed: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of judgements that may fail.")
    ] = 0.5,
    task: Annotated[
        str, typer.Option(help="The task of rows that name none, such as plain chat logs.")
    ] = TASK,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Append the filled transcripts to this file; skip what it holds, but ask again for"
            " verdicts that it lacks."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="A folder with tokenizer.json: count tokens anew, by this tokenizer."),
    ] = None,
    attack: Annotated[
        bool, typer.Option("--attack", help="Instead, measure what attacks on the reward earn.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Score what was answered: transcripts, dumps of verl, logs of chats.

    Without --judge nobody is asked: verdicts on record are used, and what has none stays unscored.
    Judges grade by task. A chat log that names none in its rows needs --task (math-hard, medium,
    wildguard, ambig_qa, ...): nobody can grade what they do not know the task of. Tokens are
    counted by --tokenizer, or as recorded, or else in words.

    Examples:
        gtalign score runs/lab/seed-0/mutual/transcripts.jsonl
        gtalign score chats.jsonl --task medium --judge judges.toml --out scored.jsonl
        gtalign score transcripts.jsonl --preset released --set llm.format=0.3 --json
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
    count, unit = _counter(tokenizer)
    means = _Means()
    unscored: Counter[str] = Counter()

    def take(scored: Scored) -> None:
        means.add(scored.transcript.task, scored)
        if scored.score.unscored is not None:
            unscored[scored.score.unscored] += 1
        if as_json:
            print(json.dumps(_result(scored)))

    rows = read(file, task)
    panel = None if judge is None else Judges(load(JudgesConfig, judge))
    failures = Failures(max_failed, _WINDOW)
    scorer = Scorer(chosen, count_tokens=count, unit=unit, judge=panel, failures=failures)
    beside = None
    if out is not None and out.exists():
        again, lacking = mend(out), False

        def complete() -> Iterator[Row]:
            nonlocal lacking
            for kept in map(scorer.checked, skip_done(rows, out)):
                if scorer.asks(kept):
                    lacking = True
                else:
                    yield kept

        for kept in scorer.score(complete()):
            means.add(kept.transcript.task, kept)
        beside = again if lacking else None
    with ExitStack() as stack:
        advance = _progress(stack, file, means.count)

        def done(scored: Scored) -> None:
            take(scored)
            advance()

        asyncio.run(_run(scorer, rows, panel, workers, out, beside, done))
    if not as_json:
        print_table(Console(), means.title(chosen), means.table())
    for reason, times in unscored.most_common(_REASONS):
        typer.echo(f"{times} unscored: {reason}", err=True)
    failures.end()


async def _run(
    scorer: Scorer,
    rows: Iterator[Row],
    panel: Judges | None,
    workers: int,
    out: Path | None,
    beside: Path | None,
    take: Callable[[Scored], None],
) -> None:
    """Ask again for what an output file lacks, writing it anew beside it, then score the rest."""

    async def fill(left: Iterator[Row], to: Path | None, told: Callable[[Scored], None]) -> None:
        with ExitStack() as stack:
            kept = None
            if to is not None:
                kept = stack.enter_context(TranscriptWriter(to, keep_ids=False))
            async with aclosing(scorer.stream(left, workers)) as scored_rows:
                async for scored in scored_rows:
                    if kept is not None:
                        kept.write(scored.transcript)
                    told(scored)

    try:
        if out is not None and beside is not None:
            await fill(read(out), beside, lambda scored: take(scored) if scored.asked else None)
            beside.replace(out)
        await fill(rows, out, take)
    finally:
        if panel is not None:
            await panel.aclose()
            for name, told in panel.account().items():
                log.info("judge %s: %s", name, json.dumps(told))


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


def _counter(folder: Path | None) -> tuple[Callable[[str], int] | None, str]:
    """Return what counts tokens, None for no more than is at hand, and the name of its unit."""
    if folder is None:
        return None, "words"
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ConfigError(f"{folder}: no tokenizer.json in it; --tokenizer names a folder with one")
    from tokenizers import Tokenizer  # of the extra `train`, without torch

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # what its Rust code raises is a bare Exception
        raise ConfigError(f"{file}: cannot be read as a tokenizer: {error}") from error
    return (
        lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids),
        f"tokens of {folder.name}",
    )


def _progress(stack: ExitStack, file: Path, done: int) -> Callable[[], None]:
    """Show progress on stderr where somebody is looking; return what advances it by a row."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda: None
    columns = (TextColumn("scored"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = stack.enter_context(Progress(*columns, console=console, transient=True))
    with file.open("rb") as lines:
        total = sum(1 for line in lines if not line.isspace())
    task = progress.add_task("scored", total=total, completed=done)
    return lambda: progress.advance(task)


def _result(scored: Scored) -> dict[str, Any]:
    transcript, score = scored.transcript, scored.score
    return {
        "id": transcript.id,
        "task": transcript.task,
        "user_welfare": score.user_welfare,
        "llm_welfare": score.llm_welfare,
        "mutual_welfare": score.mutual_welfare,
        "answer_llm_welfare": score.answer_llm_welfare,
        "answer_mutual_welfare": score.answer_mutual_welfare,
        "reward": score.reward,
        **score.factors,
        "tokens": transcript.extra["scored"]["tokens"],
        "chain_error": score.chain_error,
        "unscored": score.unscored,
    }


class _Means:
    """Means per task, without keeping the rows."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, dict[str, tuple[float, int]]] = {}
        self._units: set[str] = set()

    def add(self, task: str, scored: Scored) -> None:
        self.count += 1
        self._units.add(scored.transcript.extra["scored"]["tokens"])
        score: Score = scored.score
        values: dict[str, float | None] = {
            "reward": score.reward,
            **{name: getattr(score, name) for name in _COLUMNS},
            "quality": score.factors["quality"],
            "unscored": float(score.unscored is not None),
            "malformed": float(score.chain_error is not None),
        }
        for group in (task, "all"):
            sums = self._sums.setdefault(group, {})
            for name, value in values.items():
                total, count = sums.get(name, (0.0, 0))
                known = value is not None
                sums[name] = (total + (value or 0.0), count + known)

    def title(self, config: RewardConfig) -> str:
        """What the table shows."""
        title = f"means of the reward {config.aggregate}, preset {config.preset}"
        if config.unit == "tokens" and self._units:
            title += f"; tokens: {', '.join(sorted(self._units))}"
        return title

    def table(self) -> Table:
        """A row for each task, and one for all."""
        table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
        table.add_column("task", no_wrap=True)
        for name in ("rows", "Q", "U", "L", "W", "reward", "unscored", "malformed"):
            table.add_column(name, justify="right", no_wrap=True)
        groups = sorted(self._sums, key=lambda group: (group == "all", group))
        for group in groups:
            sums = self._sums[group]
            means = [
                f"{total / count:.4f}" if count else "-"
                for total, count in (sums[name] for name in ("quality", *_COLUMNS, "reward"))
            ]
            counts = [f"{sums[name][0]:.0f}" for name in ("unscored", "malformed")]
            table.add_row(group, str(sums["unscored"][1]), *means, *counts)
        return table
