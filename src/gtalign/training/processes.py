"""The processes of a training run, as ``accelerate launch`` starts them; else there is one.

The first process reads, judges and writes; the others get what it found. What they tell each other
goes over the CPU, beside the gradients.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from gtalign.errors import ConfigError, GTAlignError, TrainingError
from gtalign.files.run_directory import at_work

T = TypeVar("T")

_PATIENCE: Final = timedelta(hours=24)
"""How long processes wait for one that judges; a launcher ends them all when one of them fails."""


class Processes:
    """The processes of this run, of which this is one.

    Args:
        rank: Number of this process, from 0.
        count: Number of processes.
        group: Of torch, over which they exchange objects; None for a single process.
    """

    def __init__(self, rank: int = 0, count: int = 1, group: Any = None) -> None:
        self.rank = rank
        self.count = count
        self._group = group

    @property
    def first(self) -> bool:
        """Whether this is the process that writes the files."""
        return self.rank == 0

    def share(self, what: str, size: int) -> int:
        """Return what one process takes of a batch.

        Raises:
            ConfigError: The batch has no equal shares.
        """
        if size % self.count:
            raise ConfigError(
                f"{what} ({size}) has to be a multiple of the number of processes ({self.count})"
            )
        return size // self.count

    def gathered(self, value: T) -> list[T]:
        """Return the value of each process, in the order of their numbers."""
        if self._group is None:
            return [value]
        from torch import distributed

        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, value, group=self._group)
        return found

    def told(self, value: T) -> T:
        """Return the first process's value in every process."""
        if self._group is None:
            return value
        from torch import distributed

        held: list[Any] = [value]
        distributed.broadcast_object_list(held, src=0, group=self._group)
        found: T = held[0]
        return found

    def at_first(self, work: Callable[[], T]) -> T:
        """Do something in the first process, and return its result in every process.

        An error of the first process is raised in every process.
        """
        if self._group is None:
            return work()
        found, error = None, None
        if self.first:
            try:
                found = work()
            except Exception as raised:
                error = raised
        return self.agreed(found, error)

    def agreed(self, found: T | None, error: Exception | None) -> T:
        """Return what the first process found in every process, or raise its error there."""
        if self._group is not None:
            known = error is None or isinstance(error, GTAlignError)
            told = error if known else TrainingError(f"the first process failed: {error!r}")
            found, raised = self.told((found, told))
            error = raised if error is None or known else error
        if error is not None:
            raise error
        result: T = found  # type: ignore[assignment]  # there is a result where there is no error
        return result

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in some process."""
        return any(self.gathered(flag))


@contextmanager
def working(out: Path, team: Processes) -> Iterator[None]:
    """Keep other runs out of a run directory while these processes write into it.

    Raises:
        ConfigError: Another run is at work there.
        Terminated: The process was asked to end.
    """
    with ExitStack() as stack:
        team.at_first(lambda: stack.enter_context(at_work(out)))
        yield


_team: Processes | None = None


def processes(gpu: bool | None = None) -> Processes:
    """Return the processes of this run; the first call lets them find each other.

    Args:
        gpu: Whether they compute on GPUs; by default what `accelerate launch` says.
    """
    global _team
    if _team is None:
        alone = int(os.environ.get("WORLD_SIZE", "1")) < 2
        _team = Processes() if alone else _meet(gpu)
    return _team


def _meet(gpu: bool | None) -> Processes:
    from accelerate import PartialState
    from torch import distributed

    PartialState(cpu=gpu is False)
    group = distributed.new_group(backend="gloo", timeout=_PATIENCE)
    return Processes(distributed.get_rank(), distributed.get_world_size(), group)
