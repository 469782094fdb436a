"""`gtalign rl` and `eval`, killed in the middle and on a full disk, over real HTTP."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from gtalign.evaluation.directories import find_runs
from gtalign.training.metrics import read_metrics
from gtalign.transcripts import read_transcripts
from judge_server import JudgeServer, serve
from small_lab import contents
from teacher_server import Rules, write_questions
from train_parts import make_student, run_cli, start_cli, write

# The trainers complain of their own habits.
pytestmark = [pytest.mark.early, pytest.mark.filterwarnings("default")]

RL = """
[rl]
steps = 4
questions = 2
group = 2
max_completion = 6
save_steps = 1
"""
RUNNING = "[reward.normalise]\nrunning = true\nwindow = 5\n"
EVAL = "batch = 2\nmax_tokens = 6\n"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "ambig-train.jsonl"
    write_questions(file, 6)
    return file


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats come out alike only with as many threads as in the other process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(tmp_path: Path, student: Path, questions: Path, server: JudgeServer, more: str) -> str:
    return write(
        tmp_path / "run.toml",
        f"""
        model = "{student}"
        questions = ["{questions}"]
        {more}
        [judges]
        default = ["local"]
        [judges.endpoints.local]
        url = "{server.url}"
        model = "rules"
        [reward]
        chain = false
        """,
    )


async def killed(server: JudgeServer, ready: Callable[[], bool], *command: str) -> None:
    """Run a command and kill it while a judge owes it an answer, once something is there."""
    answer, reached = server.answer, asyncio.Event()

    def hold(body: dict[str, Any]) -> Any:
        if ready():
            server.held = asyncio.Event()
            reached.set()
        return answer(body)

    server.answer = hold
    process = await start_cli(*command)
    ended = asyncio.create_task(process.communicate())
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait([ended, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert reached.is_set(), (await ended)[1].decode()
    process.send_signal(signal.SIGKILL)
    await ended
    assert process.returncode == -signal.SIGKILL
    assert server.held is not None
    server.held.set()
    server.answer, server.held = answer, None


def same_weights(first: Path, second: Path) -> bool:
    one, other = (
        AutoModelForCausalLM.from_pretrained(folder, dtype="float32").state_dict()
        for folder in (first, second)
    )
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("more", ["", RUNNING], ids=["plain", "normalised"])
async def test_rl_that_was_killed_ends_as_if_it_had_not_been(
    student: Path, questions: Path, tmp_path: Path, more: str, capsys: Any
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    async with serve(Rules()) as server:
        file = config(tmp_path, student, questions, server, RL + more)
        command = ("rl", "--config", file, "--json", "--out")
        assert await run_cli(*command, str(whole)) == 0
        asked = len(server.requests)
        saved = out / "checkpoints" / "checkpoint-2" / "trainer_state.json"
        # A checkpoint is saved before the step that asks next.
        await killed(server, saved.exists, *command, str(out))
        torn = out / "transcripts.jsonl"
        assert 8 <= len(torn.read_text().splitlines()) < 16
        with torn.open("a") as lines:
            lines.write('{"id": "torn", "comp')
        before = len(server.requests)
        capsys.readouterr()
        assert await run_cli(*command, str(out)) == 0
        again = json.loads(capsys.readouterr().out)
        assert len(server.requests) - before == again["judges"]["local"]["used"]["calls"] < asked
    for name in ("transcripts.jsonl", "metrics.jsonl"):
        assert contents(out, name) == contents(whole, name)
    steps = Counter(t.extra["step"] for t in read_transcripts(out / "transcripts.jsonl"))
    assert steps == {0: 4, 1: 4, 2: 4, 3: 4}  # nothing lost, nothing twice
    assert same_weights(out / "checkpoint", whole / "checkpoint")
    assert not (out / "checkpoints").exists()


async def test_rl_that_is_asked_to_end_finishes_its_step_and_goes_on_later(
    student: Path, questions: Path, tmp_path: Path, capsys: Any
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    seldom = RL.replace("save_steps = 1", "save_steps = 9")
    async with serve(Rules()) as server:
        file = config(tmp_path, student, questions, server, seldom)
        command = ("rl", "--config", file, "--json", "--out")
        assert await run_cli(*command, str(whole)) == 0

        answer, reached, log = server.answer, asyncio.Event(), out / "metrics.jsonl"

        def hold(body: dict[str, Any]) -> Any:
            if log.exists() and log.read_text().count("\n") == 1 and not reached.is_set():
                server.held = asyncio.Event()
                reached.set()
            return answer(body)

        server.answer = hold
        process = await start_cli(*command, str(out))
        ended = asyncio.create_task(process.communicate())
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait([ended, waiting], return_when=asyncio.FIRST_COMPLETED)
        assert reached.is_set(), (await ended)[1].decode()
        assert find_runs(out)[0].state == "running"
        busy = capsys.readouterr() and await run_cli(*command, str(out))
        assert busy == 2 and "another process is at work" in capsys.readouterr().err
        process.send_signal(signal.SIGTERM)
        assert server.held is not None
        server.held.set()
        server.held = None
        _, errors = await ended
        assert process.returncode == 0, errors.decode()
        assert b"stopped after step 2; the same command resumes the run" in errors
        assert (out / "checkpoints" / "checkpoint-2" / "trainer_state.json").exists()
        assert (found := find_runs(out)[0]).state == "stopped" and found.step == 2
        assert await run_cli(*command, str(out)) == 0
    for name in ("transcripts.jsonl", "metrics.jsonl"):
        assert contents(out, name) == contents(whole, name)
    assert same_weights(out / "checkpoint", whole / "checkpoint")
    assert find_runs(tmp_path)[0].state == "done"


async def test_eval_that_was_killed_ends_as_if_it_had_not_been(
    student: Path, questions: Path, tmp_path: Path, capsys: Any
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    async with serve(Rules()) as server:
        file = config(tmp_path, student, questions, server, EVAL)
        command = ("eval", "--config", file, "--json", "--out")
        assert await run_cli(*command, str(whole)) == 0
        written = out / "transcripts.jsonl"
        await killed(
            server, lambda: written.exists() and written.stat().st_size > 0, *command, str(out)
        )
        # Of the second batch, one answer is there and one is torn.
        lines = (whole / "transcripts.jsonl").read_text().splitlines(keepends=True)
        assert written.read_text() == "".join(lines[:2])
        written.write_text("".join(lines[:3]) + lines[3][:50])
        assert not (out / "report.html").exists()
        capsys.readouterr()
        assert await run_cli(*command, str(out)) == 0
        assert json.loads(capsys.readouterr().out)["answered"] == 6
    assert written.read_text() == "".join(lines)
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("command", "more", "room"),
    [("rl", RL, 100_000), ("rl", RL, 4_000), ("eval", EVAL, 4_000)],
    ids=["rl-checkpoint", "rl-replies", "eval"],
)
async def test_a_full_disk_ends_the_run_with_one_line_and_it_goes_on(
    student: Path, questions: Path, tmp_path: Path, command: str, more: str, room: int
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    async with serve(Rules()) as server:
        file = config(tmp_path, student, questions, server, more)
        arguments = (command, "--config", file, "--json", "--out")
        process = await start_cli(*arguments, str(out), room=room)
        printed, errors = await process.communicate()
        assert process.returncode == 1, errors.decode()
        assert printed == b""
        line = errors.decode().splitlines()[-1]
        assert line.startswith("gtalign: error: ")
        assert "no room left" in line or "written before are kept" in line
        assert "Traceback" not in errors.decode()
        assert await run_cli(*arguments, str(out)) == 0
        assert await run_cli(*arguments, str(whole)) == 0
    assert contents(out, "transcripts.jsonl") == contents(whole, "transcripts.jsonl")
    assert read_metrics(out / "metrics.jsonl") == read_metrics(whole / "metrics.jsonl")
    if command == "rl":
        assert same_weights(out / "checkpoint", whole / "checkpoint")
