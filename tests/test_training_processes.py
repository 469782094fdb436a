"""Several processes of a run, as threads: what they tell each other and who judges."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from gtalign.errors import JudgeError, TrainingError
from gtalign.training.processes import Processes
from gtalign.training.shared import shared

T = TypeVar("T")


class Thread(Processes):
    """A process that is a thread of this one."""

    def __init__(self, rank: int, count: int, board: list[Any], barrier: threading.Barrier) -> None:
        super().__init__(rank, count, group=board)
        self.board = board
        self.barrier = barrier

    def gathered(self, value: T) -> list[T]:
        self.board[self.rank] = value
        self.barrier.wait()
        found = list(self.board)
        self.barrier.wait()
        return found

    def told(self, value: T) -> T:
        return self.gathered(value)[0]


def together(work: Callable[[Processes], Any], count: int = 2) -> list[Any]:
    """Do something in each process; return results and errors."""
    board, barrier = [None] * count, threading.Barrier(count, timeout=30)
    found: list[Any] = [None] * count

    def one(rank: int) -> None:
        try:
            found[rank] = work(Thread(rank, count, board, barrier))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_first_process_works_for_all() -> None:
    done: list[int] = []

    def work(team: Processes) -> Any:
        return team.at_first(lambda: done.append(team.rank) or "result")

    assert together(work, 3) == ["result"] * 3
    assert done == [0]
    assert together(lambda team: team.any(team.rank == 1)) == [True, True]


@pytest.mark.parametrize(
    ("error", "others"),
    [(JudgeError("judge 'j'", "timeout"), JudgeError), (KeyError("bug"), TrainingError)],
)
def test_an_error_of_the_first_process_ends_all(error: Exception, others: type[Exception]) -> None:
    def fail() -> None:
        raise error

    first, second = together(lambda team: team.at_first(fail))
    assert first is error
    assert isinstance(second, others)
    assert str(error) in str(second)


def test_one_process_judges_the_batch_of_all_and_each_gets_its_part() -> None:
    asked: list[list[str]] = []

    async def reward(prompts: Any, completions: Any, ids: Any = None, **columns: Any) -> list[Any]:
        asked.append([*completions])
        columns["log_metric"]("batch", len(completions))
        columns["log_extra"]("column", columns["question"])
        assert columns["trainer_state"] == "state"
        return [None if c == "bad" else float(len(c)) for c in completions]

    logged: list[tuple[int, Any]] = []

    def work(team: Processes) -> list[float | None]:
        own = [["a", "bad"], ["ccc"]][team.rank]
        return asyncio.run(
            shared(reward, team)(
                prompts=own,
                completions=own,
                completion_ids=None,
                question=[f"q{c}" for c in own],
                trainer_state="state",
                log_metric=lambda *metric: logged.append((team.rank, metric)),
                log_extra=lambda *column: logged.append((team.rank, column)),
            )
        )

    reward.__name__ = "welfare"
    assert together(work) == [[1.0, None], [3.0]]
    assert asked == [["a", "bad", "ccc"]]
    assert sorted(logged, key=repr) == [
        (0, ("batch", 3)),
        (0, ("column", ["qa", "qbad"])),
        (1, ("column", ["qccc"])),
    ]
    assert shared(reward, Processes()) is reward


def test_a_judge_that_fails_stops_every_process() -> None:
    async def reward(*texts: Any, **columns: Any) -> list[float | None]:
        raise JudgeError("too many failed", "timeout")

    def work(team: Processes) -> Any:
        return asyncio.run(shared(reward, team)([1], ["a"], None, log_extra=None))

    assert [str(error) for error in together(work)] == ["too many failed"] * 2
