"""Mix the tasks of several files in given shares, into one file in verl's schema.

The shares are explicit weights, or the tasks' numbers of rows to the power 1/temperature: 1 keeps
their proportions, larger temperatures even them out. Rows of a task are drawn without replacement;
with ``repeat``, whole passes over them come first. The same files and configuration give the same
mixture. Rows with a problem that `gtalign.data.validate` names, such as an empty ground truth, are
left out and counted. Files are streamed: memory holds a number for each row, and the questions of
the test files.
"""

import difflib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from gtalign.config import Config
from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.leakage import By, Known
from gtalign.data.rows import read_pairs, read_rows
from gtalign.data.schema import RowWriter, system_prompt, to_row
from gtalign.data.validate import problems_of
from gtalign.errors import DataError
from gtalign.reward.settings import Positive
from gtalign.reward.weights import Weight
from gtalign.tasks import Question


class MixtureConfig(Config):
    """Which rows a mixture takes.

    Keys:
        weights: Share of each task, in any unit; a task without a weight is left out. Without
            weights, the temperature decides.
        temperature: The share of a task is proportional to its number of rows to the power
            1/temperature: 1 keeps the proportions of the files, larger values even them out.
        size: Number of rows of the mixture; by default as many as the shares allow without
            repeating a row, or with ``repeat`` as many as there are.
        repeat: Whether rows of a task with too few rows are used more than once.
        distinct: Whether rows that repeat an earlier row of their task are left out.
        by: How two rows are compared: by the last turn (``question``) or by all turns
            (``conversation``).
        duplicates: What counts as a near duplicate.
        chain: Whether the system message asks for the chain.
        seed: Seed of the sample and of the order.
    """

    weights: dict[str, Weight] = Field(default_factory=dict)
    temperature: Positive = 1.0
    size: PositiveInt | None = None
    repeat: bool = False
    distinct: bool = False
    by: By = "question"
    duplicates: DuplicateConfig = DuplicateConfig()
    chain: bool = True
    seed: NonNegativeInt = 0


@dataclass(frozen=True, slots=True)
class Mixed:
    """The rows of a mixture, counted by task.

    Args:
        rows: Rows of the mixture.
        available: Rows that could have been taken.
        left_out: Rows that could not, by reason.
    """

    rows: Mapping[str, int]
    available: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


def mix(
    files: Sequence[Path],
    output: Path,
    config: MixtureConfig | None = None,
    without: Sequence[Path] = (),
) -> Mixed:
    """Write a mixture of the rows of some files.

    Args:
        files: Files to draw rows from; each may hold several tasks. The output of an earlier run,
            which a pattern of names also fits, is not read.
        output: The file to write, parquet or ``.jsonl``.
        config: Which rows to take.
        without: Files of questions to be tested on: rows that share a source prompt with them, or
            whose text is nearly the same, are left out.

    Raises:
        DataError: No other file than the output is named, a file or row is wrong, a weight names no
            task, or there are too few rows.
        StorageError: The mixture cannot be written.
    """
    files = [file for file in files if file != output]
    if not files:
        raise DataError(f"{output}: name the files to mix as well as the file to write")
    config = config or MixtureConfig()
    left: Counter[str] = Counter()
    eligible = _eligible(files, config, without, left)
    available = {task: len(rows) for task, rows in eligible.items()}
    counts = plan(available, config)
    rng = np.random.default_rng(config.seed)
    tasks = [task for task in counts if counts[task]]
    streams = {
        task: _draw(files, task, _times(eligible[task], counts[task], rng)) for task in tasks
    }
    order = rng.permutation(np.repeat(np.arange(len(tasks)), [counts[task] for task in tasks]))
    system = system_prompt(chain=config.chain)
    with RowWriter(output) as writer:
        for place in order.tolist():
            row, question = next(streams[tasks[place]])
            writer.write(
                to_row(
                    question,
                    index=writer.rows,
                    source_prompt=(row.get("extra_info") or {}).get("single_turn_prompt"),
                    split=str(question.extra["split"]),
                    system=system,
                )
            )
    return Mixed(counts, available, dict(left))


def plan(available: Mapping[str, int], config: MixtureConfig) -> dict[str, int]:
    """Return how many rows of each task a mixture takes; they sum to its size.

    Fractions are rounded by largest remainder, ties by the order of the tasks.

    Raises:
        DataError: A weight names no task, none is above 0, or there are too few rows.
    """
    for task in config.weights:
        if task not in available:
            near = difflib.get_close_matches(task, available) or list(available)
            raise DataError(f"weight of {task!r}: no such task; there are {', '.join(near)}")
    weights = {
        task: config.weights.get(task, 0.0) if config.weights else rows ** (1 / config.temperature)
        for task, rows in available.items()
    }
    total = math.fsum(weights.values())
    if total <= 0:
        raise DataError("no task with rows has a weight above 0; there is nothing to mix")
    shares = {task: weight / total for task, weight in weights.items()}
    size = config.size
    if size is None and config.repeat:
        size = sum(rows for task, rows in available.items() if shares[task] > 0)
    elif size is None:
        # A whole number that rounding took just below itself is that number.
        size = math.floor(min(available[t] / p for t, p in shares.items() if p > 0) + 1e-9)
    if size < 1:
        empty = [task for task, share in shares.items() if share > 0 and not available[task]]
        why = f"task {empty[0]!r} has none to take" if empty else "a share is too small"
        raise DataError(f"the mixture has no rows: {why}; give a size or other weights")
    exact = {task: share * size for task, share in shares.items()}
    counts = {task: math.floor(value) for task, value in exact.items()}
    by_remainder = sorted(exact, key=lambda task: counts[task] - exact[task])
    for task in by_remainder[: size - sum(counts.values())]:
        counts[task] += 1
    for task, count in counts.items():
        if count > available[task] and (not config.repeat or not available[task]):
            raise DataError(
                f"task {task!r} has {available[task]} rows and the mixture takes {count}; lower"
                " its weight or the size, or let rows repeat"
            )
    return counts


def _eligible(
    files: Sequence[Path], config: MixtureConfig, without: Sequence[Path], left: Counter[str]
) -> dict[str, list[int]]:
    """Return the rows of each task that can be taken, numbered within the task over all files."""
    held = Known(config.duplicates, config.by)
    for file in without:
        for question in read_rows(file):
            held.add(question)
    earlier: dict[str, Known] = {}
    seen: Counter[str] = Counter()
    found: dict[str, list[int]] = {}
    for file in files:
        for row, question in read_pairs(file):
            number = seen[question.task]
            seen[question.task] += 1
            rows = found.setdefault(question.task, [])
            if any(problems_of(row, number, file.stem)):
                left["has a problem"] += 1
            elif without and held.find(question):
                left["known from what is tested on"] += 1
            elif config.distinct and earlier.setdefault(
                question.task, Known(config.duplicates, config.by)
            ).add(question):
                left["repeats an earlier row"] += 1
            else:
                rows.append(number)
    return found


def _times(eligible: Sequence[int], count: int, rng: np.random.Generator) -> dict[int, int]:
    """Return how often each row is taken: every one of them as often, and some once more."""
    passes, rest = divmod(count, len(eligible))
    chosen = set(rng.choice(len(eligible), rest, replace=False).tolist())
    return {row: passes + (place in chosen) for place, row in enumerate(eligible)}


def _draw(
    files: Sequence[Path], task: str, times: Mapping[int, int]
) -> Iterator[tuple[dict[str, Any], Question]]:
    """Yield the chosen rows of a task in the order of the files, in as many passes as it takes."""
    for done in range(max(times.values())):
        number = 0
        for file in files:
            for row, question in read_pairs(file):
                if question.task != task:
                    continue
                if times.get(number, 0) > done:
                    yield row, question
                number += 1
