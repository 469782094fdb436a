"""The process that compares mathematical answers; `gtalign.judges.mathematics` starts and kills it.

It is run as a file, imports nothing of the package, and speaks JSON Lines: a line with ``gold``,
``answer`` and ``seconds`` in, a line with ``outcome`` and ``answer`` out. An alarm of the system
ends it if an item takes too long, even if its parent is gone.
"""

import json
import logging
import os
import re
import resource
import signal
import sys
from functools import lru_cache
from typing import Any, TextIO

_NUMBER = r"([+-]?\d+(?:\.\d+)?)[eE]([+-]?\d+)"
_SCIENTIFIC = re.compile(rf"\A{_NUMBER}\Z")  # math-verify reads the e as Euler's number
_BOXED_SCIENTIFIC = re.compile(rf"\\boxed\{{\s*{_NUMBER}\s*\}}")
_DIGIT = re.compile(r"\d")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3,}")

GRACE = 2.0  # seconds that the parent has to kill first
MEMORY = 4 << 30  # bytes of address space; a power tower would take all there is


def compare(gold: str, answer: str) -> dict[str, str]:
    """Return the outcome of comparing an answer with the right one.

    ``outcome`` is ``right``, ``wrong``, ``none`` (the answer holds no mathematics) or ``unparsed``
    (the right answer cannot be compared with others). ``answer`` is the mathematics of the answer.
    """
    from math_verify import parse, verify

    truth = _truth(gold)
    if not truth:
        return {"outcome": "unparsed", "answer": ""}
    found = parse(
        _BOXED_SCIENTIFIC.sub(r"\\boxed{\1 \\times 10^{\2}}", answer), parsing_timeout=None
    )
    if not found:
        return {"outcome": "none", "answer": ""}
    right = verify(truth, found, timeout_seconds=None)
    return {"outcome": "right" if right else "wrong", "answer": str(found[-1])[:200]}


@lru_cache(maxsize=4096)
def _truth(gold: str) -> list[Any]:
    """Parse the right answer; return nothing if no comparison with it would mean anything.

    Words parse as a product of letters, but are not a formula. And an answer that the library does
    not find equal to itself would equal no other.
    """
    from math_verify import parse, verify

    if not _DIGIT.search(gold) and _WORD.search(_COMMAND.sub(" ", gold)):
        return []
    gold = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", gold.strip())
    truth: list[Any] = parse(f"${gold}$", parsing_timeout=None)
    if all(isinstance(one, str) for one in truth):
        return []
    itself = parse(f"$\\boxed{{{gold}}}$", parsing_timeout=None)
    return truth if verify(truth, itself, timeout_seconds=None) else []


def serve(source: TextIO, sink: TextIO) -> None:
    """Answer each line of a stream until it ends."""
    for line in source:
        item = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, item["seconds"] + GRACE)
        try:
            result = compare(item["gold"], item["answer"])
        except Exception as error:
            # Any error of a parser is a result for this item, with the name of the error.
            result = {"outcome": "failed", "answer": f"{type(error).__name__}: {error}"[:200]}
        signal.setitimer(signal.ITIMER_REAL, 0)
        sink.write(json.dumps(result) + "\n")
        sink.flush()


def main() -> None:
    """Serve standard input until it closes."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    # Libraries print; only results may reach the parent.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as sink:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        import math_verify  # noqa: F401  now, not during the first item's time

        sink.write(json.dumps({"outcome": "ready", "answer": ""}) + "\n")
        sink.flush()
        serve(sys.stdin, sink)


if __name__ == "__main__":
    main()
