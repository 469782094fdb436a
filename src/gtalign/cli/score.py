"""``gtalign score``: the reward of completions whose verdicts are on record."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.config import load
from gtalign.data.transcripts import read_lines, transcript_of
from gtalign.errors import ConfigError, DataError, JudgeError
from gtalign.judges import Verdict
from gtalign.reward import Reward, RewardConfig, Score
from gtalign.tasks import Message, Question

_COLUMNS = ("user_welfare", "llm_welfare", "mutual_welfare")


def command(
    file: Annotated[Path, typer.Argument(help="JSON Lines: transcripts or recorded vectors.")],
    preset: Annotated[
        str | None, typer.Option(help="paper (the default), released or released-eval.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of the reward, instead of a preset.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key, such as llm.format=0.3."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Score transcripts that carry recorded verdicts. No judge is called.

    Examples:
        gtalign score runs/lab/transcripts.jsonl
        gtalign score transcripts.jsonl --preset released --set llm.format=0.3 --json
    """
    rewards = _Rewards(_configure(preset, config, overrides or []))
    means = _Means()
    for row, score in _score_lines(file, rewards):
        if as_json:
            print(json.dumps(_result(row, score)))
        else:
            means.add(row.task, score)
    if not as_json:
        Console().print(means.table(rewards.config))


def _configure(preset: str | None, file: Path | None, overrides: list[str]) -> RewardConfig:
    if preset is not None and file is not None:
        raise ConfigError("give --preset or --config, not both: a file names its own preset")
    chosen = [] if preset is None else [f'preset="{preset}"']
    # Run configurations hold the reward as a table; its keys work here by the same names.
    return load(RewardConfig, file, [*chosen, *(o.removeprefix("reward.") for o in overrides)])


class _Rewards:
    """The reward for chains and the one for plain answers, alike in all else."""

    def __init__(self, config: RewardConfig) -> None:
        self.config = config
        self._chain = Reward(config)
        self._plain = Reward(config.model_copy(update={"chain": False}))

    def score(self, row: "_Row") -> Score:
        reward = self._plain if row.plain else self._chain
        return reward.score(row.question, row.completion, row.verdict, row.solution, row.tokens)


class _Row:
    """One line: what was asked, what was answered, and what judges said of it."""

    def __init__(self, record: Mapping[str, Any], name: str) -> None:
        self.solution: float | None = None
        self.tokens: Mapping[str, int] | None = None
        self.plain = False
        if "judge_score" in record:
            self._read_vector(record, name)
        else:
            transcript = transcript_of(record, name)
            self.question = transcript.question
            self.completion = transcript.completion
            self.verdict = transcript.verdicts[0] if transcript.verdicts else None
            self.tokens = transcript.tokens or None
            self.plain = transcript.plain
        self.task = self.question.task

    def _read_vector(self, record: Mapping[str, Any], name: str) -> None:
        for column in ("task", "completion", "ground_truth"):
            if not isinstance(record.get(column), str):
                raise DataError(f"column {column!r} has to be text")
        identity = str(record.get("id", name))
        self.question = Question(
            id=identity,
            task=record["task"],
            messages=(Message(role="user", content=""),),
            ground_truth=record["ground_truth"],
            cluster=identity,
        )
        self.completion = record["completion"]
        recorded = {"judge": "recorded", "score": record["judge_score"]}
        recorded["reason"] = "the recorded verdict has no score"
        self.verdict = Verdict.from_json(recorded)
        # The same check that a verdict's score gets.
        solution = {"judge": "recorded", "score": record.get("pareto_score")}
        self.solution = Verdict.from_json(solution).score


def _score_lines(file: Path, rewards: _Rewards) -> Iterator[tuple[_Row, Score]]:
    for number, record in read_lines(file):
        try:
            row = _Row(record, f"{file.stem}-{number}")
            score = rewards.score(row)
        except (DataError, JudgeError) as error:
            raise DataError(f"{file}, line {number}: {error}") from error
        yield row, score


def _result(row: _Row, score: Score) -> dict[str, Any]:
    return {
        "id": row.question.id,
        "task": row.task,
        "user_welfare": score.user_welfare,
        "llm_welfare": score.llm_welfare,
        "mutual_welfare": score.mutual_welfare,
        "answer_llm_welfare": score.answer_llm_welfare,
        "answer_mutual_welfare": score.answer_mutual_welfare,
        "reward": score.reward,
        **score.factors,
        "chain_error": score.chain_error,
        "unscored": score.unscored,
    }


class _Means:
    """Means per task, without keeping the rows."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, tuple[float, int]]] = {}

    def add(self, task: str, score: Score) -> None:
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

    def table(self, config: RewardConfig) -> Table:
        title = f"means of the reward {config.aggregate}, preset {config.preset}"
        table = Table(title=title, box=SIMPLE_HEAD, padding=0, pad_edge=False)
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
