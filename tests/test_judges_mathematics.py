"""Mathematics by math-verify, in processes that can be killed."""

# ruff: noqa: RUF001

import asyncio
import io
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gtalign.errors import JudgeError
from gtalign.judges import FakeJudge, FirstOf, Judge, MathJudge, Verdict, math_worker
from gtalign.judges.math_worker import compare, serve
from gtalign.judges.workers import PROGRAM, Worker, WorkerDied
from gtalign.tasks import Message, Question

TOWER = r"\boxed{10^{10^{10^{10}}}}"


def ask(truth: str, task: str = "math-hard") -> Question:
    return Question("q1", task, (Message(role="user", content="?"),), truth, "c")


@pytest.fixture(scope="module")
def judge() -> Iterator[MathJudge]:
    judge = MathJudge(seconds=60, workers=1)
    yield judge
    judge.close()


@pytest.mark.parametrize(
    ("truth", "response", "score"),
    [
        ("4", "It is $4$.", 1),
        (r"\sqrt{2}", r"\boxed{√2}", 1),
        (r"x+\sqrt{12}", r"\boxed{x+√12}", 1),
        (r"\pm\sqrt{2}", r"\boxed{±√2}", 1),
        (r"\sqrt[3]{2}", r"\boxed{∛2}", 1),
        ("x^2+1", "The answer is x² + 1.", 1),
        ("6xy", r"\boxed{6·x·y}", 1),
        (r"\frac{a}{b}", r"\boxed{a⁄b}", 1),
        ("0.5", r"\boxed{٠٫٥}", 1),
        ("5%", r"\boxed{٥٪}", 1),
        ("1234567", r"\boxed{1’234’567}", 1),
        ("1234567", r"\boxed{1_234_567}", 1),
        ("1234567", r"\boxed{12,34,567}", 1),
        ("3.5", "La respuesta es 3,5.", 1),
        ("1234.5", r"\boxed{1.234,5}", 1),
        ("1000000", r"\boxed{1.000.000}", 1),
        ("4.5", r"\boxed{3,5}", None),
        ("1,2", r"\boxed{1, 2}", 1),
        ("42", r"$\boxed42$", 1),
        ("12", "The answer is not 12.", None),
        ("12", "The answer isn't 12.", None),
        ("12", "So the answer cannot be 12.5 or 12.", None),
        ("12", "The answer can\u2019t be 7.5. It has to be 12.", 1),
        ("3", r"\boxed{?}", None),
        (r"\infty", r"\boxed{∞}", 1),
        ("1.6e-19", r"\boxed{1.6\mathrm{e}{-19}}", 1),
        ("3e8", r"\boxed{3.0\,\mathrm{E}\,8}", 1),
        ("C", r"\boxed{12}", None),
        ("C", r"\boxed{x+1}", None),
        ("4", r"It is not 5 but \boxed{4}", 1),
        ("4", r"\boxed{5}", 0),
        (r"\frac12", r"so \boxed{0.5}", 1),
        (r"\frac{3\sqrt{3}}{\pi}", r"$\boxed{3 \sqrt 3 / \pi}$", 1),
        ("x^2+1", r"\boxed{1 + x^{2}}", 1),
        (r"(3,\frac{\pi}{2})", r"\boxed{\left(3, \frac{\pi}{2}\right)}", 1),
        ("(1,2)", r"\boxed{(2,1)}", 0),
        (r"\{1,2\}", r"\boxed{\{2, 1\}}", 1),
        ("4.5e33", r"about $4.5 \times 10^{33}$", 1),
        ("4.5e33", r"\boxed{4.5e33}", 1),
        ("1e-3", r"\boxed{0.001}", 1),
        ("4", r"\boxed{4} or \boxed{5}", 0),  # the last one counts
        ("9", r"The side is \boxed{3}, so the area is \boxed{9}.", 1),
        ("3,9", r"The side is \boxed{3}, so the area is \boxed{9}.", 0),
        ("4", "no idea", None),
        ("4", "", 0),
        ("4", r"I get \boxed{4} and then \boxed{4", None),
        ("4", "The answer is obvious.", None),
        ("42", "The answer is (C).", None),
        ("C", r"\boxed{\text{(C)}}", 1),
        ("928", r"\boxed{9.28 \times 10^{2}}", 1),
        ("1.6e-19", r"$3.2 \times 10^{-19}$", 0),
        ("2.5e-7", r"\boxed{\frac{1}{4 \times 10^{6}}}", 1),
        ("2.5e-7", r"\boxed{\frac{1}{5 \times 10^{6}}}", 0),
        ("6e-34", r"\boxed{\frac{\sqrt{2}}{10^{34}}}", 0),
        (r"\frac{\sqrt{2}}{10^{20}}", r"\boxed{\frac{1}{10^{20}}}", 0),
        (r"\sqrt{2}", r"\boxed{\frac{2}{\sqrt{2}}}", 1),
        (r"\sqrt{2}", r"\boxed{1.41421356}", 1),
        (r"\sqrt{2}", r"\boxed{1.4143}", 0),
        (r"(1.6e-19, 2)", r"\boxed{(3 \times 10^{-19}, 2)}", 0),
        (r"\{10^{-9}, 2\}", r"\boxed{\{2, 2 \times 10^{-9}\}}", 0),
        (r"\{10^{-9}, 2\}", r"\boxed{\{2, \frac{1}{10^{9}}\}}", 1),
        ("-5", "x = \u22125", 1),
        ("12", "\u7b54\u6848\u662f\uff11\uff12\u3002", 1),
        ("4", "<think>It is 5.</think>It is $4$.", 1),
        ("4", r"<think>It is \boxed{4}", None),
        ("4", "<tool_call>{}</tool_call>", None),
        ("4", " ", 0),
        (r"\sqrt{x+1}", r"\boxed{√(x+1)}", 1),
        ("a_{1}", r"\boxed{a₁}", 1),
        (r"x \ge 2", r"\boxed{x ⩾ 2}", 1),
        ("2", r"\boxed{x ⩾ 2}", None),
        ("2", r"\boxed{\ne 2}", None),
        ("2", r"\boxed{2!}", None),
        (r"3\text{ cm}", r"\boxed{3 m}", None),
        ("(0,1)", r"\boxed{\{0,1\}}", None),
        ("(0,1)", r"\boxed{]0;1[}", 1),
        ("[0,1]", r"\boxed{0 ≤ x ≤ 1}", None),
        ("[0,1]", r"\boxed{x ∈ [0,1]}", 1),
        (r"2\sqrt{3}", "We get 2√3", 1),
        ("3", "We get 2√3", 0),
        ("5", "Total: 1.234,5", None),
        ("1234.5", "Total: 1.234,5", 1),
        ("6.02e23", r"\boxed{6,02·10²³}", 1),
        ("1,2", r"The solutions are \boxed{1} and \boxed{2}.", 1),
        (r"\{1,2\}", r"The solutions are \boxed{1} and \boxed{2}.", 1),
        ("2", r"The solutions are \boxed{1} and \boxed{2}.", 0),
        ("12", "The answer is a bit over 12.", None),
        ("12", "twelve, i.e. 12", 1),
        (r"\text{Tuesday}", "Tuesday", None),
        ("np.arcsin(10/13)", r"\boxed{0.9}", None),
        ("E_{1},E_{2}", r"\boxed{E_1, E_2}", None),
        (" ", r"\boxed{4}", None),
    ],
)
async def test_answers(judge: MathJudge, truth: str, response: str, score: float | None) -> None:
    assert isinstance(judge, Judge)
    verdict = await judge.judge(ask(truth), response)
    assert verdict.score == score, verdict.reason
    assert verdict.reason


@pytest.mark.parametrize(
    ("truth", "answer", "outcome"),
    [
        ("x^2+1", r"\boxed{1 + x^{2}}", "right"),
        ("1e-3", r"\boxed{1 \times 10^{-3}}", "right"),
        ("1e-9", r"\boxed{2 \times 10^{-9}}", "wrong"),
        ("x = 1e-9", r"\boxed{x = 2 \times 10^{-9}}", "wrong"),
        (r"\frac{\sqrt{3}}{10^{30}}", r"\boxed{\frac{3}{\sqrt{3} \cdot 10^{30}}}", "right"),
        ("(1,2,3)", r"\boxed{(1,2)}", "wrong"),
        (r"\{1,2,3\}", r"\boxed{\{1,2\}}", "wrong"),
        (r"\{x,2\}", r"\boxed{\{2,x\}}", "right"),
        ("50\\%", r"\boxed{50}", "right"),
        ("4", r"\boxed{four}", "none"),
        ("4", r"\boxed{}", "none"),
        ("E_{1},E_{2}", r"\boxed{E_1, E_2}", "unparsed"),
    ],
)
def test_the_comparison_of_a_worker(truth: str, answer: str, outcome: str) -> None:
    assert compare(truth, answer)["outcome"] == outcome


async def test_another_task_is_no_mathematics(judge: MathJudge) -> None:
    verdict = await judge.judge(ask("4", "medium"), "4")
    assert verdict.score is None
    assert "'medium'" in verdict.reason


@pytest.mark.parametrize(
    ("truth", "response"),
    [
        (r"\text{Tuesday}", "Tuesday"),
        ("12", "It must be a dozen."),
        ("12", "The answer is (B)."),
        ("12", r"We get \fbox{12"),
        ("12", "\u7b54\u6848\u662f\u5341\u4e8c\u3002"),
    ],
)
async def test_the_next_judge_is_asked_where_an_answer_cannot_be_read(
    judge: MathJudge, truth: str, response: str
) -> None:
    other = FakeJudge(1.0)
    chain = FirstOf([judge, other])
    assert (await chain.judge(ask("4"), r"\boxed{5}")).score == 0
    assert other.calls == []
    assert (await chain.judge(ask(truth), response)).judge == "fake"
    assert len(other.calls) == 1


def test_a_worker_off_the_main_thread_compares_in_another_event_loop(judge: MathJudge) -> None:
    async def run() -> Verdict:
        return await judge.judge(ask("4"), r"\boxed{\sqrt{16}}")

    assert asyncio.run(run()).score == asyncio.run(run()).score == 1


# --- workers that misbehave: programs of ours in place of math-verify ----------------------------

SERVE = """
import json, os, signal, sys, time
print(json.dumps({"outcome": "ready"}), flush=True)
for line in sys.stdin:
    said = json.loads(line)["answer"].removeprefix("\\\\boxed{").removesuffix("}")
    if said == "h_1":
        while True: time.sleep(1000)
    if said == "d_1":
        os.kill(os.getpid(), signal.SIGKILL)
    if said == "e_1":
        sys.exit(3)
    print(json.dumps({"outcome": "right", "answer": str(os.getpid())}), flush=True)
"""


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.mark.parametrize(
    ("answer", "why"),
    [("h_1", r"no result within 0\.5 s"), ("d_1", "signal 9"), ("e_1", "status 3")],
)
async def test_a_hang_or_a_crash_costs_one_item(answer: str, why: str) -> None:
    judge = MathJudge(seconds=60, workers=1, command=program(SERVE))
    before = await judge.judge(ask("4"), r"\boxed{f_1}")
    judge.seconds = 0.5 if answer == "h_1" else 60
    lost = await judge.judge(ask("4"), rf"\boxed{{{answer}}}")
    judge.seconds = 60
    after = await judge.judge(ask("4"), r"\boxed{f_1}")
    await judge.aclose()
    assert before.score == after.score == 1
    assert before.reason != after.reason  # another process
    assert lost.score is None
    assert lost.reason.startswith("math-verify was stopped: ")
    assert re.search(why, lost.reason)


async def test_items_share_the_workers() -> None:
    judge = MathJudge(workers=2, command=program(SERVE))
    found = await asyncio.gather(*(judge.judge(ask("4"), rf"\boxed{{x_{n}}}") for n in range(10)))
    await judge.aclose()
    assert [verdict.score for verdict in found] == [1.0] * 10
    assert len({verdict.reason for verdict in found}) <= 2


async def test_a_real_hang_is_killed() -> None:
    judge = MathJudge(seconds=0.5, workers=1)
    verdict = await judge.judge(ask("2"), TOWER)
    assert verdict.score is None
    assert verdict.reason.startswith("math-verify ")
    judge.seconds = 60
    assert (await judge.judge(ask("2"), r"\boxed{\sqrt{4}}")).score == 1
    await judge.aclose()


@pytest.mark.parametrize("text", ["raise SystemExit(1)", "import sys; sys.exit()"])
async def test_a_worker_that_does_not_start(text: str) -> None:
    judge = MathJudge(workers=1, command=program(text))
    with pytest.raises(JudgeError, match=r"cannot be started.*'q1'") as caught:
        await judge.judge(ask("4"), "$x$")
    assert caught.value.cause == "worker"
    await judge.aclose()


def test_a_worker_that_is_gone() -> None:
    text = "import json, os; print(json.dumps({'outcome': 'ready'}), flush=True); os.close(0)"
    worker = Worker(program(text))
    with pytest.raises(WorkerDied, match=r"process (was gone|ended)"):
        for _ in range(1000):  # whichever end is seen first
            worker.ask({"gold": "4", "answer": "x" * 100_000}, 60)
    worker.kill()


def test_no_process_is_left_behind() -> None:
    worker = Worker(program(SERVE))
    process = int(worker.ask({"gold": "", "answer": "f_1"}, 60)["answer"])
    os.kill(process, 0)
    del worker
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_an_item_that_no_library_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gtalign.judges.math_worker.compare", lambda gold, answer: int(gold) // int(answer)
    )
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: (0.0, 0.0))
    items = [{"gold": "1", "answer": "0", "seconds": 1}, {"gold": "4", "answer": "2", "seconds": 1}]
    sink = io.StringIO()
    serve(io.StringIO("".join(json.dumps(item) + "\n" for item in items)), sink)
    failed, fine = map(json.loads, sink.getvalue().splitlines())
    assert failed["outcome"] == "failed"
    assert failed["answer"].startswith("ZeroDivisionError: ")
    assert fine == 2


def test_the_program_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # In this process: without its alarms, and without taking our output and memory from us.
    calls: list[str] = []
    for module, name in (
        (logging, "disable"),
        (os, "dup2"),
        (resource, "setrlimit"),
        (signal, "signal"),
        (signal, "setitimer"),
    ):
        monkeypatch.setattr(module, name, lambda *args, name=name: calls.append(name))
    item = {"gold": "4", "answer": r"\boxed{4}", "seconds": 1}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(item) + "\n"))
    math_worker.main()
    ready, right = map(json.loads, capfd.readouterr().out.splitlines())
    assert ready["outcome"] == "ready"
    assert right == {"outcome": "right", "answer": "4"}
    assert calls == ["disable", "signal", "signal", "setrlimit", "dup2", "setitimer", "setitimer"]


async def test_a_failure_of_the_library_is_told() -> None:
    text = SERVE.replace('"right"', '"failed"')
    judge = MathJudge(workers=1, command=program(text))
    verdict = await judge.judge(ask("4"), "$x$")
    await judge.aclose()
    assert verdict.score is None
    assert verdict.reason.startswith("math-verify failed: ")


def test_an_orphan_ends_itself() -> None:
    """A worker that hangs is ended by its own alarm, with nobody there to kill it."""
    with subprocess.Popen(
        [sys.executable, "-P", str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["outcome"] == "ready"
        item = {"gold": "2", "answer": TOWER, "seconds": 0.1 - math_worker.GRACE}
        process.stdin.write(json.dumps(item).encode() + b"\n")
        process.stdin.flush()
        process.wait()
    assert process.returncode == -signal.SIGALRM
