"""The runs in a folder: what each is, how far it is, and the best W that it has seen."""

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Literal

from gtalign.config import read_table
from gtalign.errors import ConfigError, DataError
from gtalign.files.lines import read_objects
from gtalign.files.run_directory import is_busy
from gtalign.training.metrics import read_metrics

State = Literal["running", "done", "stopped", "unreadable"]
"""``running``: a process is at work in it; ``done``: it has its last file; ``stopped``: neither;
``unreadable``: its configuration, its figures or its folder cannot be read."""

_KINDS: Final = {
    # kind -> the key that only its configuration has, and the file that a run writes at its end
    "lab": ("experiment", "report.html"),
    "synth": ("teachers", "summary.json"),
    "sft": ("sft", "checkpoint"),
    "dpo": ("dpo", "checkpoint"),
    "rl": ("rl", "checkpoint"),
    "faithful": ("edits", "report.html"),
    "converse": ("turns", "report.html"),
    "eval": ("questions", "report.html"),
}
_TRAINING: Final = ("sft", "dpo", "rl")
_W: Final = ("welfare/mutual_welfare", "mutual_welfare")


@dataclass(frozen=True, slots=True)
class RunState:
    """One run.

    Args:
        folder: Its directory.
        kind: The command that made it; None if its configuration does not tell.
        state: How it stands.
        step: Last logged step of training; None for other runs, and before the first one.
        steps: Steps that were asked for; None if its configuration does not say.
        answers: Answers in its transcripts; None for a run without any.
        welfare: Highest W, in [0, 1]: of a step of `rl`, of an evaluation during `sft`, or the
            mean of the best model of other runs, unsteered; None where none is known.
        bytes: Size on disk; None if a folder in it cannot be read.
        written: When a file of it was last written, UTC in ISO 8601.
        problem: Why it is unreadable, with the file; None otherwise.
    """

    folder: Path
    kind: str | None
    state: State
    step: int | None
    steps: int | None
    answers: int | None
    welfare: float | None
    bytes: int | None
    written: str
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields, the folder as text."""
        return {**asdict(self), "folder": str(self.folder)}


def find_runs(root: Path) -> list[RunState]:
    """Return the runs under a folder, the one that was written last first.

    A run is a directory with a ``config.toml``. Directories inside a run belong to it. One that
    cannot be read may be a run, and is listed as unreadable.

    Raises:
        DataError: There is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    closed: list[OSError] = []
    found = [_state(folder) for folder in _folders(root, closed)]
    for error in closed:
        folder, problem = Path(error.filename), f"{error.filename}: {error.strerror}"
        if folder == root:
            raise DataError(problem)
        _, written = _disk(folder)
        found.append(
            RunState(folder, None, "unreadable", None, None, None, None, None, written, problem)
        )
    return sorted(found, key=lambda run: run.written, reverse=True)


def _folders(root: Path, closed: list[OSError]) -> Iterator[Path]:
    """Yield the runs; the errors of folders that cannot be read are added to ``closed``."""
    for folder, names, files in os.walk(root, onerror=closed.append):
        if "config.toml" in files:
            names.clear()
            yield Path(folder)
        names.sort()


def _state(folder: Path) -> RunState:
    size, written = _disk(folder)
    busy = is_busy(folder)
    kind = None
    step = steps = answers = welfare = None
    try:
        config = read_table(folder / "config.toml")
        kind = next((kind for kind, (key, _) in _KINDS.items() if key in config), None)
        if kind in _TRAINING:
            metrics = read_metrics(folder / "metrics.jsonl")
            step = _last_step(folder / "metrics.jsonl", metrics)
            steps = _wanted_steps(folder / "config.toml", config) if kind == "rl" else None
            held_out = read_metrics(folder / "held_out.jsonl")
            welfare = max(_known([*metrics, *held_out]), default=None)
        else:
            means = {file: _means(file) for file in folder.rglob("transcripts.jsonl")}
            answers = sum(count for count, _ in means.values()) if means else None
            welfare = max((w for _, w in means.values() if w is not None), default=None)
    except (ConfigError, DataError) as error:
        return RunState(
            folder, kind, "unreadable", step, steps, answers, welfare, size, written, str(error)
        )
    ended = kind is not None and (folder / _KINDS[kind][1]).exists()
    state: State = "running" if busy else "done" if ended else "stopped"
    return RunState(folder, kind, state, step, steps, answers, welfare, size, written)


def _disk(folder: Path) -> tuple[int | None, str]:
    """Bytes of a folder, and when a file of it was last written; files may vanish meanwhile.

    The size is None if a part of it cannot be read.
    """
    size, last = 0, 0.0
    closed: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=closed.append):
        for name in names:
            try:
                facts = Path(parent, name).lstat()
            except OSError as error:
                closed.append(error)
                continue
            size, last = size + facts.st_size, max(last, facts.st_mtime)
    unknown = any(not isinstance(error, FileNotFoundError) for error in closed)
    last = last or folder.lstat().st_mtime
    return None if unknown else size, datetime.fromtimestamp(last, UTC).isoformat(
        timespec="seconds"
    )


def _last_step(file: Path, metrics: list[dict[str, float]]) -> int | None:
    if not metrics:
        return None
    step: object = metrics[-1].get("step")
    if not isinstance(step, int | float) or not math.isfinite(step):
        raise DataError(f"{file}: the last line has no number of a step")
    return int(step)


def _wanted_steps(file: Path, config: dict[str, Any]) -> int | None:
    table = config["rl"]
    steps = table.get("steps") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(steps, int | None):
        raise ConfigError(f"{file}: rl is a table, and its steps a whole number")
    return steps


def _known(lines: list[dict[str, float]]) -> Iterator[float]:
    for line in lines:
        for name in _W:
            if isinstance(line.get(name), int | float):
                yield line[name]


def _means(file: Path) -> tuple[int, float | None]:
    """Number of answers in a file, and the mean W of those that were not steered, if known."""
    count, known = 0, []
    for line in read_objects(file):
        count += 1
        w = line.value.get("mutual_welfare")
        if isinstance(w, int | float) and line.value.get("decision") is None:
            known.append(float(w))
    return count, fmean(known) if known else None
