"""The desk and the workers of a Ray cluster, without Ray: `make test-ray` has the real ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gtalign.endpoints import Cache, open_endpoint
from gtalign.endpoints.opening import opening
from gtalign.errors import ConfigError, JudgeError
from gtalign.integrations.ray.desk import Desk, DeskCalls, DeskEndpoint
from gtalign.integrations.ray.worker import Worker
from gtalign.judges.endpoint import EndpointJudge
from gtalign.judges.settings import JudgeSettings
from gtalign.tasks import Question
from judge_server import serve

QUESTION = Question(
    id="a",
    task="ambig_qa",
    messages=({"role": "user", "content": "Who won?"},),
    ground_truth="multipleQAs###x",
    cluster="a",
)


class Beside(DeskCalls):
    """Calls of a desk in this process; what a worker waits for has a loop of its own."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(None)
        self.desk = desk

    def now(self, *values: Any, **named: Any) -> Any:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self.desk.call(*values, **named)).result()

    async def later(self, *values: Any, **named: Any) -> Any:
        return await self.desk.call(*values, **named)


async def test_workers_share_limits_cache_and_bill_of_a_judge(tmp_path: Path) -> None:
    async with serve() as server:
        settings, desk = JudgeSettings(url=server.url, model="m", concurrency=1), Desk()
        with opening(partial(DeskEndpoint, Beside(desk))):
            judges = [
                EndpointJudge(settings, Cache(tmp_path / "replies.sqlite"), name="j", trial=True)
                for _ in range(3)  # workers
            ]
            verdicts = await asyncio.gather(
                *(judge.judge(QUESTION, f"Which one, {n}?") for judge in judges for n in range(4))
            )
            account = judges[0].endpoint.account()
            assert account == judges[1].endpoint.account()
        await desk.aclose()
        assert server.busiest == 1
        assert len(server.requests) == 4 + len(judges)  # each answer once, and a trial each
    assert len({verdict.reason for verdict in verdicts}) == 1
    assert account["cached"]["calls"] == 4


async def test_failures_of_the_desk_are_those_of_an_endpoint() -> None:
    settings = JudgeSettings(url="http://127.0.0.1:9/v1", model="m", attempts=1, key_env="NO_KEY")
    desk = Desk()
    with opening(partial(DeskEndpoint, Beside(desk))):
        endpoint = open_endpoint(settings, None, JudgeError, "judge j")
    ask = partial(endpoint.complete, [], [], accepts=bool, about="judge 'j', question 'a'")
    with pytest.raises(ConfigError, match="NO_KEY"):
        await ask()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_KEY", "k")
        with pytest.raises(JudgeError, match="judge 'j', question 'a'") as failed:
            await ask()
        assert failed.value.cause == "connection"
        with pytest.raises(JudgeError, match="the models of"):
            await endpoint.models()
    assert not endpoint.known([], {}, 0)
    endpoint.forget([], {}, 0)
    await endpoint.aclose()
    await desk.aclose()


@asynccontextmanager
async def squares(bad: bool = False) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    if bad:
        raise ConfigError("no such tokenizer there")

    async def work(item: int) -> int:
        if item == 3:
            raise JudgeError("on 3", "timeout")
        return item * item

    yield work


@pytest.mark.parametrize("bad", [False, True])
def test_a_worker_returns_errors_of_the_package_as_outcomes(
    bad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeskCalls, "of", lambda name: Beside(Desk()))
    worker = Worker(partial(squares, bad), "desk")
    outcomes = worker.work([1, 2, 3])
    worker.close()
    told = [str(outcome.error or outcome.result) for outcome in outcomes]
    assert told == (["no such tokenizer there"] * 3 if bad else ["1", "4", "on 3"])
