"""``gtalign score``: add factors, welfare and verdicts to existing answers."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli import options
from gtalign.cli.engine import EngineName, Processes, engine_named
from gtalign.cli.failures import BAD_INPUT, FAILED, complain
from gtalign.cli.show.attacks import print_attacks
from gtalign.cli.show.progress import RowBar
from gtalign.cli.show.result import print_json
from gtalign.cli.show.scored import print_scored
from gtalign.config import load
from gtalign.errors import ConfigError
from gtalign.game.file import load_game
from gtalign.judges import JudgesConfig
from gtalign.lab.attack_report import measure_attacks
from gtalign.reward import PRESETS
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.rewards import reward_for
from gtalign.transcripts.score import ScoreRun, check_score, score_file
from gtalign.transcripts.scored_file import FileScored

*FIRST, LAST = PRESETS


def command(
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON Lines or parquet: transcripts, dumps, chat logs."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"Preset of the reward: {', '.join(FIRST)} or {LAST}."),
    ] = None,
    config: Annotated[
        Path | None, options.settings_of("reward", says="The reward, or a run that has one")
    ] = None,
    overrides: Annotated[
        list[str] | None, options.changes("llm.format=0.3", "Change one key of the reward")
    ] = None,
    judge: Annotated[
        Path | None, options.settings_of("judges", "--judge", "Judges, asked for missing verdicts")
    ] = None,
    workers: options.Workers = 64,
    max_failed: Annotated[
        float,
        typer.Option(min=0, max=1, help="The command stops if a larger share of judgements fails."),
    ] = 0.5,
    task: options.TaskName = TASK,
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
    score: Annotated[
        str | None,
        typer.Option(
            help="The score that counts, where other software gave several; the first by default."
        ),
    ] = None,
    game: options.Game = None,
    engine: EngineName = "here",
    processes: Processes = None,
    attack: Annotated[
        bool,
        typer.Option("--attack", help="Measure what attacks on the reward earn; takes no FILE."),
    ] = False,
    tables: options.Tables = False,
    as_json: options.AsJsonLines = False,
) -> None:
    r"""Score recorded answers: transcripts, verl dumps and chat logs.

    Transcripts keep the reward that they were made with, unless you name
    another; the result says which it is. Without --judge, the command uses only
    recorded verdicts. Models grade chats that name no task by helpfulness, and
    other tasks by their own criteria; --judge FILE can add criteria of yours.

    The scores are Q, the quality of the answer; U, the welfare of the user; L,
    that of the LLM; and W, the mutual welfare. All are from 0 to 1. Lengths are
    tokens of --tokenizer, or the recorded numbers of tokens, or words.

    Examples:
        gtalign score runs/lab/seed-0/mutual/transcripts.jsonl
        gtalign score chats.jsonl --judge judges.toml --out scored.jsonl
        gtalign score transcripts.jsonl --preset released \
            --set llm.format=0.3 --json
        gtalign score chats.jsonl --judge judges.toml --out scored.jsonl --engine ray
        gtalign score --attack
    """
    runs = () if config is None else options.run_settings()
    reward = reward_for(file, preset=preset, config=config, overrides=overrides or (), runs=runs)
    if attack:
        if file is not None:
            raise ConfigError("--attack writes its own completions: leave out the FILE")
        given = reward.config if preset or config or overrides else None
        print_attacks(measure_attacks(given), as_json=as_json)
        return
    if file is None:
        raise ConfigError("name a FILE to score, or give --attack")
    judges = None if judge is None else load(JudgesConfig, judge)
    form = load_game(game)
    run = ScoreRun(file, reward, judges, task, out, tokenizer, workers, max_failed, score, form)
    check = partial(check_score, run)
    with engine_named(engine, processes, check) as elsewhere, RowBar(file) as bar:

        def show(row: FileScored) -> None:
            bar.advance()
            if as_json and not row.kept:
                print_json(row.to_json())

        found = score_file(run, show, elsewhere)
    if not as_json:
        print_scored(Console(), found, tables=tables)
    elif found.problem is not None:
        complain(found.problem)
    if found.problem is not None:
        raise typer.Exit(BAD_INPUT if found.torn else FAILED)
