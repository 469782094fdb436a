"""Run the stages of a plan in a given number of worker processes.

A worker ends with the process that started it, so two plans never write into one folder. Running
the plan again resumes the stages that were interrupted.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from graphlib import TopologicalSorter
from multiprocessing.connection import wait as wait_for_end
from typing import TypeVar

import numpy as np

S = TypeVar("S")

POLL_SECONDS = 0.5
START_METHOD = "spawn"
"""Start method of workers: new interpreters, without copies of this process's threads or locks."""
SAME_SUMS = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Settings of torch, MKL and oneDNN with which all processors of a maker add up in one order.

By default each takes the widest instructions that it finds, and two machines train two models. MKL
has an order for all makers too (``COMPATIBLE``), at half the speed.
"""


def run_plan(
    plan: Mapping[S, S | None],
    work: Callable[[S], None],
    *,
    workers: int,
    threads: int,
    watch: Callable[[frozenset[S]], None] = lambda running: None,
) -> None:
    """Run every stage after the one that it needs.

    Args:
        plan: Each stage and the stage that it needs, or None.
        work: Does one stage; a picklable function, called in a worker process.
        workers: Stages that run at once.
        threads: Threads that numerical libraries may use in each worker.
        watch: Called now and then with the stages that are running.

    Raises:
        Exception: The exception of the first stage that failed; running stages are ended.
    """
    sorter = TopologicalSorter(
        {stage: () if need is None else (need,) for stage, need in plan.items()}
    )
    sorter.prepare()
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context(START_METHOD),
        initializer=_begin,
        initargs=(threads,),
    )
    running: dict[Future[None], S] = {}
    waiting: list[S] = []
    try:
        while sorter.is_active():
            waiting += sorter.get_ready()
            # At most one stage for each worker: a plan that fails leaves nothing in the queue.
            while waiting and len(running) < workers:
                stage = waiting.pop(0)
                running[pool.submit(work, stage)] = stage
            ended, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            watch(frozenset(running.values()))
            for future in ended:
                stage = running.pop(future)
                future.result()
                sorter.done(stage)
    except BaseException:
        for process in list(getattr(pool, "_processes", {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _has_avx2() -> bool:
    """Whether this is an x86 processor with AVX2, as nearly all since 2015 are."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {})
    names = {*found.get("baseline", []), *found.get("found", [])}
    return bool(names & {"AVX2", "X86_V3"})  # NumPy 2.4 renamed it


def _begin(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if _has_avx2():  # torch obeys even where that would be an illegal instruction
        for name, value in SAME_SUMS.items():
            os.environ.setdefault(name, value)
    # Libraries make locks in a worker (tqdm one for its bars). Those of this start method have no
    # name that would be left behind when the worker is killed, to be warned of at the end.
    multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for_end([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
