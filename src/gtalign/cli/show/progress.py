"""The progress of long work, on stderr."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gtalign.cli.show.table import clean

_LINE_SECONDS: Final = 60.0

_ENOUGH: Final = 0.02
"""The share of the work that has to be done before it tells how long the rest takes."""


class TimeLeft(TimeRemainingColumn):
    """The time left; nothing once the work is done."""

    def render(self, task: Task) -> Text:
        """Return the time left of a task."""
        return Text() if task.finished else Text("left ").append(super().render(task))


def progress_bar(
    console: Console | None = None, amount: str = "{task.completed:.0f} done"
) -> Progress:
    """Return a progress bar that tells the time left.

    Args:
        console: Where it is shown; stderr by default.
        amount: How it says what is done, as rich fills in.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(amount),
        TimeElapsedColumn(),
        TimeLeft(),
        console=console or Console(stderr=True),
    )


class RowBar:
    """A bar over the rows of a file, on a terminal; it appears with the first row.

    Args:
        file: The file. If it is JSON Lines, each line is a row, and the bar tells how many.
    """

    def __init__(self, file: Path | None) -> None:
        console = Console(stderr=True)
        self._bar = Bar(console, "{task.completed}/{task.total}") if console.is_terminal else None
        self._file = file
        self._total: int | None = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*error)

    def advance(self) -> None:
        """Count a row."""
        if self._bar is None:
            return
        if self._total is None and self._file is not None and self._file.suffix == ".jsonl":
            with self._file.open("rb") as lines:
                self._total = sum(1 for line in lines if not line.isspace())
        self._done += 1
        self._bar(self._done, self._total, "scored")


class Bar:
    """A progress bar that appears with the first step.

    Work that is refused before it begins shows no bar: its error takes one line. In a file, where
    no bar can move, a line is written each minute instead. It says how much time is left once
    enough is done to know, apart from what an earlier run did.

    Args:
        console: Where it is shown; stderr by default.
        amount: How it says what is done, as rich fills in.
        clock: The time in seconds.
    """

    def __init__(
        self,
        console: Console | None = None,
        amount: str = "{task.completed:.0f} done",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress_bar(console, amount)
        self._task = self._progress.add_task("", total=None)
        self._amount = amount
        self._clock = clock
        self._began: float | None = None
        self._told = self._had = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def __call__(
        self, done: float, total: float | None, doing: str, problem: str | None = None
    ) -> None:
        """Show a step.

        Args:
            done: How much is done.
            total: Amount of work in all; None if that is unknown.
            doing: Name of the work.
            problem: A line to print above the bar.
        """
        console = self._progress.console
        self._progress.update(self._task, completed=done, total=total, description=doing)
        if console.is_terminal:
            self._progress.start()
        else:
            self._tell(done, total)
        if problem is not None:
            console.print(clean(problem), markup=False)

    def _tell(self, done: float, total: float | None) -> None:
        """Write a line if a minute has passed since the last one."""
        now = self._clock()
        if self._began is None:
            self._began = self._told = now
            self._had = done  # of what is resumed, nothing is known about its speed
        if now - self._told < _LINE_SECONDS:
            return
        self._told = now
        task = self._progress.tasks[0]
        took = now - self._began
        line = (
            f"{task.description}: {self._amount.format(task=task).strip()}, {_minutes(took)} so far"
        )
        since = done - self._had
        if total and done < total and since >= _ENOUGH * total:
            line += f", about {_minutes(took * (total - done) / since)} left"
        self._progress.console.print(clean(line), markup=False, highlight=False)


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
