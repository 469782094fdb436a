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
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TextIO

_NUMBER = r"([+-]?\d+(?:\.\d+)?)[eE]([+-]?\d+)"
_SCIENTIFIC = re.compile(rf"\A{_NUMBER}\Z")  # math-verify reads the e as Euler's number
_BOXED_SCIENTIFIC = re.compile(rf"\\boxed\{{\s*{_NUMBER}\s*\}}")
_DIGIT = re.compile(r"\d")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3,}|[^\W\d_A-Za-z\u0370-\u03ff]")  # Greek letters are symbols

TOLERANCE = 6  # decimal places
PRECISION = 60  # decimal digits of a number that is computed

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
    if _is_prose(answer):
        return {"outcome": "none", "answer": ""}
    found = parse(
        _BOXED_SCIENTIFIC.sub(r"\\boxed{\1 \\times 10^{\2}}", answer), parsing_timeout=None
    )
    if not found:
        return {"outcome": "none", "answer": ""}
    right = _equal(_first(truth), _first(found))
    if right is None:
        right = verify(truth, found, timeout_seconds=None)
    return {"outcome": "right" if right else "wrong", "answer": str(found[-1])[:200]}


@lru_cache(maxsize=4096)
def _truth(gold: str) -> list[Any]:
    """Parse the right answer; return nothing if no comparison with it would mean anything.

    Words parse as a product of letters, but are not a formula. And an answer that the library does
    not find equal to itself would equal no other.
    """
    from math_verify import parse, verify

    if _is_prose(gold):
        return []
    gold = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", gold.strip())
    truth: list[Any] = parse(f"${gold}$", parsing_timeout=None)
    if all(isinstance(one, str) for one in truth):
        return []
    itself = parse(f"$\\boxed{{{gold}}}$", parsing_timeout=None)
    return truth if verify(truth, itself, timeout_seconds=None) else []


def _is_prose(text: str) -> bool:
    """Whether a text is words, which parse as a product of letters but are no formula."""
    return not _DIGIT.search(text) and _WORD.search(_COMMAND.sub(" ", text)) is not None


def _first(parsed: list[Any]) -> Any:
    """Return the first formula that a text was parsed to; None if there is none."""
    return next((one for one in parsed if not isinstance(one, str)), None)


def _equal(gold: Any, answer: Any) -> bool | None:
    """Compare numbers, and tuples and sets that hold numbers; None for all else.

    math-verify rounds decimals to an absolute number of digits, and so takes all tiny numbers for
    equal. Here two numbers have to be equal if both are exact; if either holds a decimal, a
    relative difference of 10**-`TOLERANCE` is allowed.
    """
    from sympy import Abs, Eq, FiniteSet, Float, N, Rational, Tuple

    gold, answer = (side.rhs if isinstance(side, Eq) else side for side in (gold, answer))
    if isinstance(gold, Tuple) and isinstance(answer, Tuple):
        if len(gold) != len(answer):
            return False
        return _all(_equal(one, other) for one, other in zip(gold, answer, strict=True))
    if isinstance(gold, FiniteSet) and isinstance(answer, FiniteSet):
        if len(gold) != len(answer):
            return False
        ours, theirs = (_ascending(side) for side in (gold, answer))
        if ours is None or theirs is None:
            return None
        return _all(_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    one, other = _number(gold), _number(answer)
    if one is None or other is None:
        return None
    if isinstance(one, Rational) and isinstance(other, Rational):
        return bool(one == other)
    exact = not (one.has(Float) or other.has(Float))
    size = max(N(Abs(one), PRECISION), N(Abs(other), PRECISION))
    allowed = Rational(1, 10 ** (2 * PRECISION // 3 if exact else TOLERANCE)) * size
    return bool(N(Abs(one - other), PRECISION) <= allowed)


def _all(equal: Iterable[bool | None]) -> bool | None:
    """Whether all are; None if one is unknown."""
    known = list(equal)
    return None if None in known else all(known)


def _ascending(numbers: Any) -> list[Any] | None:
    """Return the real numbers of a set in order; None if one is something else."""
    known = [_number(one) for one in numbers]
    if not all(one is not None and one.is_real for one in known):
        return None
    return sorted(known)


def _number(formula: Any) -> Any:
    """Return the number that a formula is, computed; None if it is something else."""
    from sympy import Expr, UnevaluatedExpr

    # math-verify leaves a percent sign unevaluated, and knows both of its meanings.
    if not isinstance(formula, Expr) or not formula.is_number or formula.has(UnevaluatedExpr):
        return None
    computed = formula.doit()
    return computed if computed.is_number and computed.is_finite else None


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
