"""Scoring, synthesis and conversations on two Ray workers are those of one machine."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import works

from chain_texts import PAYOFF
from gtalign.chain import render
from gtalign.cli import main
from gtalign.errors import GTAlignError, JudgeError, WorkerLostError
from gtalign.integrations.ray import RayEngine
from gtalign.synthesis.run import run as synthesise
from judge_server import JudgeServer, gullible, serve
from teacher_server import Rules, cold_start, is_trial, write_questions

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own code
ON_RAY = ("--engine", "ray", "--processes", "2")


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Any] = gullible) -> Iterator[JudgeServer]:
    """Run a server in a thread of its own, beside commands that have their own event loops."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = serve(answer)
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def chain(response: str) -> str:
    return render("What is meant?", PAYOFF, "The best cell is DQ_AQ.", response)


def write_answers(file: Path, count: int) -> Path:
    """Write answers of several kinds, some of which cannot be read."""
    rows = [
        {
            "id": f"q{n}",
            "task": ("ambig_qa", "math-hard", "wildguard")[n % 3],
            "prompt": [{"role": "user", "content": f"What is number {n}?"}],
            "ground_truth": ("multipleQAs###a", r"\frac{1}{2}", "harmless")[n % 3],
            "completion": "no chain" if n % 7 == 6 else chain(f"Is it {n}+0?"),
        }
        for n in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_judges(file: Path, url: str, **limits: int) -> Path:
    told = "".join(f"{name} = {value}\n" for name, value in limits.items())
    file.write_text(
        'default = ["local"]\n[tasks]\nmath = ["mathematics", "rule"]\n'
        f'[endpoints.local]\nurl = "{url}"\nmodel = "m"\nattempts = 1\n{told}'
    )
    return file


def score(*args: str | Path) -> int:
    return main(["score", *map(str, args)])


def test_scores_are_those_of_one_machine_and_limits_hold_over_all_workers(tmp_path: Path) -> None:
    answers = write_answers(tmp_path / "answers.jsonl", 90)
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    with serving() as server:
        judges = write_judges(tmp_path / "judges.toml", server.url, concurrency=3)
        code = score(answers, "--judge", judges, "--out", here)
        asked = Counter(b["messages"][1]["content"][-80:] for b in server.requests)
        server.requests.clear()
        server.busiest, server.seconds = 0, 0.2
        assert score(answers, "--judge", judges, "--out", there, *ON_RAY) == code
        spread = [body for body in server.requests if not is_trial(body)]
    assert here.read_bytes() == there.read_bytes()
    assert len(spread) == sum(asked.values()) - 1  # the trial
    assert 1 < server.busiest <= 3


@pytest.mark.parametrize("first", [(), ON_RAY], ids=["begun here", "begun on Ray"])
def test_either_resumes_what_the_other_began(first: tuple[str, ...], tmp_path: Path) -> None:
    answers = write_answers(tmp_path / "answers.jsonl", 40)
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    judges = tmp_path / "judges.toml"
    judges.write_text('default = ["rule"]')
    score(answers, "--judge", judges, "--out", whole)
    score(answers, "--judge", judges, "--out", out, *first)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:17]) + lines[17][:50])  # as a kill leaves it
    score(answers, "--judge", judges, "--out", out, *(() if first else ON_RAY))
    assert out.read_bytes() == whole.read_bytes()


def test_a_failing_judge_is_named_and_gives_no_zero(tmp_path: Path) -> None:
    answers = write_answers(tmp_path / "answers.jsonl", 12)
    out = tmp_path / "out.jsonl"
    with serving(lambda body: gullible(body) if is_trial(body) else "nonsense") as server:
        judges = write_judges(tmp_path / "judges.toml", server.url)
        score(answers, "--judge", judges, "--out", out, "--max-failed", "1", *ON_RAY)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    failed = [row for row in rows if "local" in (row["unscored"] or "")]
    assert {row["task"] for row in failed} == {"ambig_qa", "wildguard"}
    assert all(row["mutual_welfare"] is None for row in failed)


def test_what_a_worker_refuses_is_said_in_our_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = write_answers(tmp_path / "answers.jsonl", 3)
    assert score(answers, *ON_RAY[:2], "--processes", "64") == 2
    assert "--processes 64: the Ray cluster has 2 CPUs" in capsys.readouterr().err
    assert score(answers, "--processes", "2") == 2
    assert "add --engine ray" in capsys.readouterr().err


def done(recipe: Any, items: range) -> list[int | GTAlignError]:
    async def work() -> list[Any]:
        with RayEngine(2) as engine:
            async with engine.open(recipe) as each:
                return await asyncio.gather(*map(each, items), return_exceptions=True)

    return asyncio.run(work())


def test_a_killed_worker_loses_nothing_and_a_deadly_item_is_named(tmp_path: Path) -> None:
    found = done(partial(works.fragile, tmp_path), range(12))
    assert isinstance(found[7], WorkerLostError)
    assert "each process that worked on it died" in str(found[7])
    assert isinstance(found[5], JudgeError)
    assert found[5].cause == "timeout"
    assert [n for n in range(12) if found[n] != n * n] == [5, 7]


def test_an_error_of_opening_is_that_of_the_work() -> None:
    assert {str(error) for error in done(works.refusing, range(3))} == {"no such tokenizer there"}


def test_synthesis_keeps_the_same_candidates(tmp_path: Path) -> None:
    questions = tmp_path / "questions-train.jsonl"
    write_questions(questions, 4)
    with serving(Rules()) as server:
        config = cold_start(server, questions)
        with RayEngine(2) as engine:
            there = synthesise(config, tmp_path / "run", engine=engine)
        asked = len(server.requests)
        trials = sum(map(is_trial, server.requests))  # each worker tries who it will ask
        here = synthesise(config, tmp_path / "run")  # nothing is left to do
        assert len(server.requests) == asked
    assert there["finished"] == here["finished"] == 8
    assert there["kept"] == here["kept"] == 4
    used = there["teachers"]["local"]["used"]
    assert used["calls"] + there["judges"]["local"]["used"]["calls"] == asked - trials
    (tmp_path / "run" / "written.jsonl").unlink()
    with serving(Rules()) as silent:  # the replies are on disk: they serve either engine
        config = config.model_copy()
        again = synthesise(config, tmp_path / "run")
        assert silent.requests == []
    assert again["kept"] == 4


def test_conversations_are_those_of_one_machine(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is it ({letter})?"}],
            "data_source": "ambig_qa",
            "reward_model": {
                "ground_truth": "multipleQAs###Meaning 0: What is number 7?; Answer 0: 7\n"
                "Meaning 1: What is number 7 b?; Answer 1: 7"
            },
        }
        for letter in "abcdef"
    ]
    questions = tmp_path / "ambig-test.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = {"here": (), "there": ON_RAY}
    with serving(lambda body: "Which number do you mean?") as server:
        for name, engine in said.items():
            command = ("converse", server.url, questions, "--model", "m", "--out", tmp_path / name)
            assert main([*map(str, command), *engine]) == 0
    played = [
        sorted((tmp_path / name / "transcripts.jsonl").read_text().splitlines()) for name in said
    ]
    assert len(played[0]) == 18
    assert played[0] == played[1]
