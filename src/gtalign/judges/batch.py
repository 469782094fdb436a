"""Many answers judged at once, up to a limit."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from gtalign.errors import JudgeError, UnusableJudgeError
from gtalign.judges.base import Judge, Verdict
from gtalign.tasks import Question

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Takes the number of answers that are done, and their total."""


async def judge_all(
    judge: Judge,
    answers: Sequence[tuple[Question, str]],
    *,
    workers: int = 64,
    progress: Progress | None = None,
) -> list[Verdict | JudgeError]:
    """Judge a batch of answers.

    If the judge fails on one answer, the others are still judged. Cancelling the call (Ctrl-C)
    cancels the judgements under way; with a judge that caches, finished ones are kept, and a second
    call does only the rest.

    Args:
        judge: Grades each of them.
        answers: Questions with the response to grade.
        workers: Most answers under way at once. A judge has limits of its own as well.
        progress: Called after each answer.

    Returns:
        For each answer, in order, its verdict or the error of the judge.

    Raises:
        UnusableJudgeError: The judge cannot be asked at all.
    """
    found: list[Verdict | JudgeError | None] = [None] * len(answers)
    done = 0

    async def one(index: int) -> None:
        nonlocal done
        try:
            found[index] = await judge.judge(*answers[index])
        except UnusableJudgeError:
            raise
        except JudgeError as error:
            found[index] = error
        done += 1
        if progress is not None:
            progress(done, len(answers))

    await work_through(range(len(answers)), one, min(workers, len(answers)))
    return [verdict for verdict in found if verdict is not None]


async def work_through(
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, None]], workers: int
) -> None:
    """Do the work on each item, on up to ``workers`` of them at once.

    An item is taken when a worker is free, so memory does not grow with the number of items. The
    first error cancels the other calls and is raised as it is.
    """
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    await together([worker() for _ in range(workers)])


async def together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await calls at once and return their results in order.

    The first call that fails cancels the others, and its error is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
