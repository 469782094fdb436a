"""The workers of one run, and which of them gets which items."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, Self

from gtalign.endpoints.engine import Item, Recipe, Result
from gtalign.errors import ConfigError, WorkerLostError
from gtalign.integrations.ray.worker import Worker, WorkResult

LANES: Final = 16
"""Most batches of a worker under way at once."""

BATCH: Final = 64
"""Most items in a batch."""

_AGAIN: Final = 2  # times that Ray gives a batch to the worker again that died with it


class Pool(AbstractAsyncContextManager["Pool[Item, Result]"], Generic[Item, Result]):
    """Workers on a cluster. Ray starts one that died again, and gives it its items again.

    Args:
        recipe: Opens the work in each worker.
        desk: Name of the desk.
        processes: Number of workers.
    """

    def __init__(self, recipe: Recipe[Item, Result], desk: str, processes: int) -> None:
        self._recipe = recipe
        self._desk = desk
        self._processes = processes
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._news = asyncio.Condition()
        self._alone = asyncio.Lock()
        self._guard: Any = None
        self._workers: list[Any] = []
        self._lanes: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        from ray.exceptions import RayActorError

        self._workers = [self._worker() for _ in range(self._processes)]
        try:
            await asyncio.gather(*(worker.ready.remote() for worker in self._workers))
        except RayActorError as error:
            await self.__aexit__()
            raise ConfigError(
                "a Ray worker cannot start (every machine of the cluster needs this version of the"
                f" package): {_last_line(error)}"
            ) from error
        # Each worker in turn, so that the first items do not all go to the first one.
        turns = [worker for _ in range(LANES) for worker in self._workers]
        self._lanes = [asyncio.create_task(self._lane(worker)) for worker in turns]
        return self

    async def __aexit__(self, *_: object) -> None:
        import ray

        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        for worker in self._workers:
            ray.kill(worker)

    async def work(self, item: Item) -> Result:
        """Return the result of the work on an item; see `gtalign.endpoints.engine.Engine`."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        async with self._news:
            self._waiting.append((item, future))
            self._news.notify()
        return await future

    async def _lane(self, worker: Any) -> None:
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._waiting)
                # A share of what waits: all workers get some, and end at about the same time. A
                # batch is back when its slowest item is, so many small ones are better than a few.
                size = min(BATCH, max(1, len(self._waiting) // (LANES * self._processes)))
                batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
                if self._waiting:
                    self._news.notify()
            await self._done(worker, [one for one in batch if not one[1].done()])

    async def _done(
        self, worker: Any, batch: Sequence[tuple[Item, asyncio.Future[Result]]]
    ) -> None:
        from ray.exceptions import RayActorError

        try:
            outcomes = await worker.work.remote([item for item, _ in batch])
        except RayActorError:
            for item, future in batch:
                settle(future, await self._quarantined(item))
        except Exception as error:  # a bug of ours in the worker: whoever waits raises it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                settle(future, outcome)

    async def _quarantined(self, item: Item) -> WorkResult:
        """Do the work on an item alone, in a worker for that, to see whether it is to blame."""
        from ray.exceptions import RayActorError

        async with self._alone:
            if self._guard is None:
                self._guard = self._worker(num_cpus=0, max_restarts=0, max_task_retries=0)
                self._workers.append(self._guard)
            try:
                [outcome] = await self._guard.work.remote([item])
            except RayActorError as error:
                self._guard = None  # the next item gets another, and is not blamed for this one
                why = f"each process that worked on it died: {_last_line(error)}"
                return WorkResult(error=WorkerLostError(why))
            found: WorkResult = outcome
            return found

    def _worker(self, **options: Any) -> Any:
        import ray

        made = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": _AGAIN} | options
        actor = ray.remote(Worker).options(max_concurrency=LANES, **made)
        return actor.remote(self._recipe, self._desk)


def settle(future: asyncio.Future[Any], outcome: WorkResult) -> None:
    """Set the result or the error of an item, unless nobody waits for it any more."""
    if future.done():
        return
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.result)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
