"""A judge that fails in every way while answers are scored: nothing is lost, nothing is made up."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stamina
from starlette.responses import JSONResponse

from gtalign.endpoints import Cache
from gtalign.errors import JudgeError
from gtalign.evaluation.answerer import Local
from gtalign.evaluation.evaluate import evaluate
from gtalign.evaluation.settings import EvalRun
from gtalign.judges import EndpointJudge, JudgeSettings, Repeated
from gtalign.reward import Reward
from gtalign.transcripts import read_transcripts
from gtalign.transcripts.transcript import Transcript
from judge_server import JudgeServer, serve
from teacher_server import write_questions
from train_parts import CHAIN

COUNT = 40
RIGHT, WRONG = (json.dumps({"reason": "seen", "score": score}) for score in (1, 0))


@pytest.fixture
def config(tmp_path: Path) -> EvalRun:
    file = tmp_path / "asked-test.jsonl"
    write_questions(file, COUNT)
    return EvalRun.model_validate({"questions": [file], "model": "here"})


def answers(prompts: Any, ids: Any) -> list[str]:
    """No two responses are the same, so that each is judged."""
    return [CHAIN.replace("Which one?", f"Which one of {name}?") for name in ids]


async def scored(
    config: EvalRun, judge: EndpointJudge | Repeated, folder: Path
) -> dict[str, Transcript]:
    """Answer and score what is left to do; return all."""
    file = folder / "transcripts.jsonl"
    assert await evaluate(config, Local(answers, 10), Reward(), judge, file) == []
    return read(folder)


def read(folder: Path) -> dict[str, Transcript]:
    """Return all transcripts, each of which is there once."""
    found = list(read_transcripts(folder / "transcripts.jsonl"))
    assert Counter(t.id for t in found) == {f"asked-test-{n}": 1 for n in range(COUNT)}
    return {t.id: t for t in found}


def judge_at(server: JudgeServer, folder: Path, **keys: Any) -> EndpointJudge:
    settings = JudgeSettings(url=server.url, model="m", **keys)
    return EndpointJudge(settings, Cache(folder / "replies.sqlite"))


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that are only counted: whoever sleeps long wakes at once, and they have passed."""
    now, sleep = [0.0], asyncio.sleep

    async def pass_(delay: float, result: Any = None) -> Any:
        if delay < 0.4:  # the server's own
            return await sleep(delay, result)
        now[0] += delay
        return await sleep(0, result)

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", pass_)
        yield now


@pytest.mark.parametrize(
    "named", [{}, *({"retry-after": seconds} for seconds in ("0", "1", "20"))], ids=str
)
async def test_a_minute_of_refusals_costs_nothing(
    config: EvalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    with clock(monkeypatch) as now:

        def answer(body: dict[str, Any]) -> Any:
            return RIGHT if now[0] >= 60 else JSONResponse({}, 429, headers=named)

        async with serve(answer) as server, judge_at(server, tmp_path, concurrency=1) as judge:
            found = await scored(config, judge, tmp_path)
            assert judge.usage.failed == len(server.requests) - COUNT > 0
    assert all(t.factors["quality"] == 1 for t in found.values())


@pytest.mark.parametrize("fault", ["dies", "stalls", "refuses"])
async def test_a_judge_that_is_gone_leaves_no_score_and_comes_back(
    config: EvalRun, tmp_path: Path, fault: str
) -> None:
    gone = True

    def answer(body: dict[str, Any]) -> Any:
        if not gone or len(server.requests) <= 15:
            return RIGHT
        return JSONResponse({}, {"dies": 503, "refuses": 401, "stalls": 408}[fault])

    with stamina.set_testing(True, attempts=2, cap=True):
        async with serve(answer) as server, judge_at(server, tmp_path, concurrency=1) as judge:
            with pytest.raises(JudgeError, match="25 of 40 judged answers have no score"):
                await scored(config, judge, tmp_path)
            found = read(tmp_path)
            unscored = {name for name, t in found.items() if t.mutual_welfare is None}
            assert len(unscored) == COUNT - 15
            assert {found[name].factors.get("quality") for name in unscored} == {None}  # never 0
            assert all("judge 'm'" in str(found[name].unscored) for name in unscored)
            gone, before = False, len(server.requests)
            again = await scored(config, judge, tmp_path)
            assert len(server.requests) - before == len(unscored)
    assert all(t.factors["quality"] == 1 for t in again.values())
    assert {name: again[name] for name in again.keys() - unscored} == {
        name: found[name] for name in found.keys() - unscored
    }


async def test_a_judge_that_is_gone_stops_a_run_that_goes_on_later(
    config: EvalRun, tmp_path: Path
) -> None:
    strict = config.model_copy(update={"max_failed": 0.25, "window": 15})
    gone = True

    def answer(body: dict[str, Any]) -> Any:
        return JSONResponse({}, 401) if gone and len(server.requests) > 5 else RIGHT

    async with serve(answer) as server, judge_at(server, tmp_path, concurrency=1) as judge:
        for _ in range(2):  # what is unscored is judged first, which stops the run again
            with pytest.raises(JudgeError, match="15 of the latest 15 judged answers"):
                await scored(strict, judge, tmp_path)
            assert len(list(read_transcripts(tmp_path / "transcripts.jsonl"))) == 20
        gone, before = False, len(server.requests)
        found = await scored(strict, judge, tmp_path)
        assert len(server.requests) - before == COUNT - 5
    assert all(t.factors["quality"] == 1 for t in found.values())


async def test_garbage_in_a_tenth_of_the_replies(config: EvalRun, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> Any:
        hopeless = "asked-test-7?" in body["messages"][-1]["content"]
        return "Fine!" if hopeless or len(server.requests) % 10 == 0 else RIGHT

    async with serve(answer) as server, judge_at(server, tmp_path, concurrency=1) as judge:
        found = await scored(config, judge, tmp_path)
        garbage = server.replies.count("Fine!")
        assert judge.usage.unread == garbage >= 5
        assert judge.usage.calls == len(server.requests)
    lost = found.pop("asked-test-7")
    assert lost.mutual_welfare is None
    assert "asked twice" in str(lost.unscored)
    assert all(t.factors["quality"] == 1 for t in found.values())


async def test_a_judge_that_changes_its_mind_is_held_to_its_word(
    config: EvalRun, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return RIGHT if len(server.requests) % 3 else WRONG

    first, second = tmp_path / "first", tmp_path / "second"
    async with serve(answer) as server, judge_at(server, tmp_path, concurrency=1) as judge:
        found = await scored(config, judge, first)
        assert {t.factors["quality"] for t in found.values()} == {0, 1}
        asked = len(server.requests)
        assert await scored(config, judge, second) == found
        assert len(server.requests) == asked
        assert judge.saved.calls == asked
    async with serve(answer) as server, judge_at(server, tmp_path, temperature=1) as judge:
        several = await scored(config, Repeated(judge, 3, "majority"), tmp_path / "third")
    details = [t.verdicts[0].details for t in several.values()]
    assert {told["samples"] for told in details} == {3}
    assert {told["majority"] for told in details} <= {2 / 3, 1}
    assert any(told["spread"] > 0 for told in details)
