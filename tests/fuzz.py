"""Draw new examples for every property test until time is up, and print what fails.

    python tests/fuzz.py [--seconds 600] [--seed N] [FILE ...]    # or: make fuzz SECONDS=3600

Each round runs the property tests of the files (all by default) under a seed of its own. A test
that fails is printed with its example, to be added to it as ``@example``, and left out of later
rounds. The exit code is 1 if any failed. Every line names the round's seed; to resume a run, pass
the last one plus one as ``--seed``.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
FAILED = re.compile(r"^FAILED (\S+::.+?)(?: - .*)?$", re.MULTILINE)
RAN = re.compile(r"\b(\d+) passed")


def main() -> int:
    """Run rounds until time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="when to stop")
    parser.add_argument("--seed", type=int, help="of the first round; drawn by default")
    parser.add_argument("files", nargs="*", default=[str(TESTS)], help="files of tests")
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    end = time.monotonic() + given.seconds
    failed: list[str] = []
    number = 0
    while (left := end - time.monotonic()) > 0:
        number += 1
        began = time.monotonic()
        output = _round(given.files, seed, failed, left)
        if output is None:
            print(f"round {number}, seed {seed}: time is up", flush=True)
            break
        new = FAILED.findall(output)
        ran = RAN.search(output)
        took = time.monotonic() - began
        passed = ran[1] if ran else "none"
        print(f"round {number}, seed {seed}: {passed} passed, {len(new)} failed, {took:.0f} s")
        if new or ran is None:
            print(output)
        sys.stdout.flush()
        if ran is None and not new:
            return 1  # the tests themselves cannot be run; the output says why
        failed += new
        seed += 1
    print(f"{len(failed)} property tests failed" + "".join(f"\n  {name}" for name in failed))
    return 1 if failed else 0


def _round(files: list[str], seed: int, failed: list[str], seconds: float) -> str | None:
    """The output of one round; None if time was up before its end."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-m", "hypothesis"]
    command += [f"--hypothesis-seed={seed}", f"--ignore={TESTS / 'engines'}"]
    command += [f"--deselect={name}" for name in failed]
    try:
        done = subprocess.run(
            [*command, *files],
            env={**os.environ, "GTALIGN_HYPOTHESIS": "fuzz"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            cwd=TESTS.parent,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
