"""Plans run in worker processes that end with their plan."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gtalign.errors import StorageError
from gtalign.lab import schedule
from gtalign.lab.schedule import run_plan
from scripts import run_script
from stage_work import add_up, hang, meet, note

pytestmark = pytest.mark.early

PLAN = {"cold": None, "base": "cold", "sft": "base", "mutual": "sft", "user": "sft"}


def ended(pid: int) -> bool:
    """Wait until a process that is no child of ours is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    import select

    return bool(select.select([descriptor], [], [], 30)[0])


def test_each_stage_comes_after_the_one_it_needs(tmp_path: Path) -> None:
    seen: list[frozenset[str]] = []
    run_plan(PLAN, partial(note, tmp_path), workers=1, threads=3, watch=seen.append)
    lines = (tmp_path / "order.txt").read_text().split()
    # One worker: each stage ends before the next one begins.
    assert lines[:6] == ["+cold", "-cold", "+base", "-base", "+sft", "-sft"]
    assert sorted(lines[6:]) == ["+mutual", "+user", "-mutual", "-user"]
    assert [line[1:] for line in lines[6::2]] == [line[1:] for line in lines[7::2]]
    assert max(map(len, seen)) == 1
    assert (tmp_path / "cold.threads").read_text() == "3"


@pytest.mark.skipif(not schedule._has_avx2(), reason="for x86 processors with AVX2")
def test_processors_of_a_maker_add_up_alike(tmp_path: Path) -> None:
    run_plan({"sums": None}, partial(add_up, tmp_path), workers=1, threads=1)
    version, sums = (tmp_path / "sums").read_text().split()
    if version != "2.13.0+cpu":
        pytest.skip(f"the sums were recorded with torch 2.13, this is {version}")
    assert sums in (
        # An AMD EPYC with AVX-512, and emulated ones without it.
        "e1ddd6c477bffd12e770a91e0c6d4d8b0655e3fcfa1ef6a31ff92742b47a2f02",
        # Two emulated processors of Intel.
        "ed3d8c639dbfc779ef3e9504efe82384d29aa260a736b31e18b652034921ff27",
    )


@pytest.mark.parametrize(
    ("found", "has"),
    [
        ({"baseline": ["SSE"], "found": ["AVX", "AVX2"]}, True),  # NumPy before 2.4
        ({"baseline": ["X86_V2"], "found": ["X86_V3"]}, True),
        ({"baseline": ["X86_V3"], "found": []}, True),
        ({"baseline": ["X86_V2"], "found": [], "not found": ["X86_V3"]}, False),
        ({"baseline": ["NEON"], "found": ["ASIMDHP"]}, False),
        ({}, False),
    ],
)
def test_a_processor_without_avx2_is_not_told_to_use_it(
    found: dict[str, list[str]], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": found})
    assert schedule._has_avx2() is has


def test_as_many_run_at_once_as_asked_for(tmp_path: Path) -> None:
    for name in ("left", "right"):
        os.mkfifo(tmp_path / name)
    run_plan(dict.fromkeys(("left", "right")), partial(meet, tmp_path), workers=2, threads=1)


def test_empty_plan_is_done() -> None:
    run_plan({}, print, workers=1, threads=1)


def test_error_ends_the_plan_and_is_raised(tmp_path: Path) -> None:
    plan = {"fails": None, "after": "fails"}
    with pytest.raises(StorageError, match="No space left") as caught:
        run_plan(plan, partial(note, tmp_path), workers=1, threads=1)
    assert caught.value.filename == "there"
    assert (tmp_path / "order.txt").read_text() == "+fails\n"


def test_error_ends_what_else_is_running(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "began")
    before = set(multiprocessing.active_children())
    with pytest.raises(ValueError, match="no"):
        run_plan(dict.fromkeys(("fails", "hangs")), partial(hang, tmp_path), workers=2, threads=1)
    assert set(multiprocessing.active_children()) <= before


PARENT = """
import sys
from functools import partial
from pathlib import Path
from stage_work import hang
from gtalign.lab.schedule import run_plan
if __name__ == "__main__":
    run_plan({"hangs": None}, partial(hang, Path(sys.argv[1])), workers=1, threads=1)
"""


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "began")
    paths = [str(Path(__file__).parent), os.environ["PYTHONPATH"]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], env=environment)
    with (tmp_path / "began").open() as file:
        worker = int(file.read())
    os.kill(worker, 0)
    parent.send_signal(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    assert ended(worker)


def test_interrupt_ends_the_workers(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "began")
    script = """
        import multiprocessing, signal, sys, threading
        from functools import partial
        from pathlib import Path
        from stage_work import hang
        from gtalign.lab.schedule import run_plan

        def interrupt():
            with (Path(sys.argv[1]) / "began").open() as file:
                print(file.read(), flush=True)
            # A real signal wakes what the main thread waits for.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        # Where a shell started the tests in the background, it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt).start()
        try:
            run_plan({"hangs": None}, partial(hang, Path(sys.argv[1])), workers=1, threads=1)
        except KeyboardInterrupt:
            print(len(multiprocessing.active_children()))
    """
    done = run_script(script, tmp_path)
    worker, children = done.stdout.split()
    assert (children, done.stderr) == ("0", "")  # above all, no word of leaked semaphores
    assert ended(int(worker))


def test_worker_follows_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    gone = threading.Event()
    codes: list[int] = []
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(sentinel=ours))
    monkeypatch.setattr(multiprocessing, "set_start_method", lambda method, force: None)
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), gone.set()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setattr(schedule, "SAME_SUMS", {})  # the other tests of this process keep theirs
    schedule._begin(2)
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
    assert not codes
    theirs.close()
    assert gone.wait(30)
    assert codes == [1]
    ours.close()
