"""Scoring on Ray: how much faster two workers are than one, and why.

    python benchmarks/spread.py [mathematics] [--rows 2400] [--workers 1 2]
    python benchmarks/spread.py texts

It runs `gtalign score` without Ray and then with each number of workers, compares the files, and
prints the processor time of every process, which a busy machine hardly changes. The time from the
first row on is that of the work; what is before it is the start.

A run can take no less time than its busiest process takes processor time, and no less than all of
it divided by the number of cores. The last lines compare these bounds for several machines.

- ``mathematics``: a worker is a process of Ray with a helper that compares formulas, beside the
  process that was started. So one worker uses more than one core already.
- ``texts``: long texts are compared with long references, in the worker itself.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAYOFF = {
    f"{understanding}_{action}": {"LLM": 1.5, "user": 2.5}
    for understanding in ("DQ", "VQ")
    for action in ("AQ", "CQ", "DA")
}


@dataclass
class Run:
    """What one run of the command took.

    Args:
        wall: Seconds from the start to the first row, and from there to the end.
        seconds: Processor seconds of each process, by its part in the run and its number: up to the
            first row, and after it.
    """

    wall: tuple[float, float]
    seconds: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)

    def bound(self, cores: int) -> float:
        """Least seconds that the work after the first row takes on so many free cores."""
        work = [after for _, after in self.seconds.values()]
        return max(max(work), sum(work) / cores)


def answers(count: int) -> Iterator[dict[str, object]]:
    """Yield answers whose formulas have to be computed, right ones and wrong ones."""
    for number in range(count):
        top, root, under = 3 + number % 97, (2, 3, 5, 7, 11)[number % 5], 101 + number % 89
        factor, wrong = 2 + number % 7, number % 3 == 0
        gold = rf"\frac{{{top}\sqrt{{{root}}}}}{{{under}}}"
        found = rf"\frac{{{factor * top + wrong}\sqrt{{{root}}}}}{{{factor * under}}}"
        yield {
            "id": f"m{number}",
            "task": "math-hard",
            "prompt": [{"role": "user", "content": f"Simplify number {number}. " * 40}],
            "completion": f"<thinking>{'We look at each step again. ' * 30}</thinking>"
            f"<payoff>{json.dumps(PAYOFF)}</payoff><analyze>The best cell is DQ_DA.</analyze>"
            rf"<response>It is \boxed{{{found}}}.</response>",
            "ground_truth": gold,
        }


def texts(count: int) -> Iterator[dict[str, object]]:
    """Yield texts of 2,000 words, of which a third is not that of the reference."""
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(3000)]
    shared = rng.choices(words, k=2000)
    for number in range(count):
        reference, found = (
            " ".join(word if rng.random() < 0.8 else rng.choice(words) for word in shared)
            for _ in range(2)
        )
        yield {
            "id": f"t{number}",
            "task": "medium",
            "prompt": [{"role": "user", "content": f"Write text {number}."}],
            "completion": f"<thinking>Write.</thinking><payoff>{json.dumps(PAYOFF)}</payoff>"
            f"<analyze>DQ_AQ pays most.</analyze><response>{found}</response>",
            "ground_truth": reference,
        }


WORKS = {"mathematics": (answers, "mathematics"), "texts": (texts, "rule")}
"""Rows of each kind of work, and who judges them."""


def times() -> dict[int, tuple[int, float]]:
    """Return the parent of every process of this machine, and its processor seconds."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            found[int(entry.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK
    return found


def below(process: int, known: dict[int, tuple[int, float]]) -> set[int]:
    """Return a process and all that it has started."""
    found, more = {process}, {process}
    while more:
        more = {one for one, (parent, _) in known.items() if parent in more} - found
        found |= more
    return found


def part_of(process: int, first: int) -> str:
    """Return what a process does in the run."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        command = ""
    if process == first:
        return "reads and writes"
    if "math_worker" in command:
        return "compares formulas"
    return "worker" if command.startswith("ray::Worker") else "cluster"


def run(command: Sequence[str], out: Path) -> Run:
    """Run a command that writes rows to a file, and measure it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    parts: dict[int, str] = {}
    latest: dict[int, float] = {}
    before: dict[int, float] = {}
    begun = None
    while process.poll() is None:
        known = times()
        for one in below(process.pid, known) & known.keys():
            if parts.get(one, "cluster") == "cluster":
                parts[one] = part_of(one, process.pid)
            latest[one] = known[one][1]
        if begun is None and out.exists() and out.stat().st_size:
            begun, before = time.perf_counter(), dict(latest)
        time.sleep(0.1)
    ended = time.perf_counter()
    if process.returncode or begun is None:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    seconds: dict[tuple[str, int], tuple[float, float]] = {}
    for one, total in sorted(latest.items()):
        part = parts[one]
        number = 0 if part == "cluster" else sum(name == part for name, _ in seconds)
        start, work = seconds.get((part, number), (0.0, 0.0))
        own = before.get(one, 0.0)
        seconds[part, number] = start + own, work + total - own
    return Run((begun - started, ended - begun), seconds)


def show(name: str, found: Run) -> None:
    start, work = found.wall
    print(f"\n{name}: {start:.1f} s to the first row, then {work:.1f} s (time on the clock)")
    for (part, number), (before, after) in sorted(found.seconds.items()):
        each = part if part == "cluster" else f"{part} {number + 1}"
        print(f"    {each:22} {before:6.2f} s, then {after:6.2f} s of a processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", nargs="?", choices=WORKS, default="mathematics")
    parser.add_argument("--rows", type=int, default=2400)
    parser.add_argument("--workers", type=int, nargs=2, default=[1, 2])
    options = parser.parse_args()
    make, judge = WORKS[options.work]
    with tempfile.TemporaryDirectory() as folder:
        rows, judges = Path(folder, "answers.jsonl"), Path(folder, "judges.toml")
        rows.write_text("".join(json.dumps(row) + "\n" for row in make(options.rows)))
        judges.write_text(f'default = ["{judge}"]')
        found, written = {}, set()
        for workers in (0, *options.workers):
            out = Path(folder, f"{workers}.jsonl")
            engine = ["--engine", "ray", "--processes", str(workers)] if workers else []
            command = [sys.executable, "-m", "gtalign", "score", str(rows)]
            command += ["--judge", str(judges), "--out", str(out), *engine]
            found[workers] = run(command, out)
            written.add(out.read_bytes())
            show(f"{workers} workers on Ray" if workers else "without Ray", found[workers])
    few, many = (found[workers] for workers in options.workers)
    print(f"\n{options.rows} rows; the files are {'equal' if len(written) == 1 else 'NOT equal'}")
    whole, work = sum(few.wall) / sum(many.wall), few.wall[1] / many.wall[1]
    print(f"ratio on the clock, here: {work:.2f}, with the start {whole:.2f} (goal: 1.70)")
    for cores in (2, 4, 8):
        print(f"ratio of the bounds on {cores} cores: {few.bound(cores) / many.bound(cores):.2f}")


if __name__ == "__main__":
    main()
