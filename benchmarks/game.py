"""Speed of the solvers on random 2 x 3 games, one thread, as multiples of one read from memory.

    python benchmarks/game.py [--games 1000000] [--repeats 7]

The limit is the time to read the array of payoffs once (its sum). The peers are nashpy's support
enumeration and plain Python loops, each on a sample and scaled up. Every time is the least of the
repeats, in processor time of the thread, and each solver has its own reads between its repeats:
what else the machine does slows both.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

try:
    import nashpy
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing.name} is missing: in a clone, pip install -e '.[dev]'") from None
import numpy as np
from rich.console import Console
from rich.table import Table

from gtalign.game import (
    best_responses,
    equilibria,
    pareto_frontier,
    pure_nash,
    social_optimum,
    stackelberg,
    vertex_pairs,
)

AIMS = {"pure Nash": 10, "Pareto frontier": 13, "all equilibria": 29, "social optimum": 20}


def seconds(function: Callable[[Any], Any], argument: Any) -> float:
    start = time.thread_time()
    function(argument)
    return time.thread_time() - start


def least(function: Callable[[Any], Any], games: Any, repeats: int) -> tuple[float, float]:
    """Least time of a solver, and of one read of its games taken in turns with it."""
    times = [(seconds(function, games), seconds(np.sum, games)) for _ in range(repeats)]
    solver, read = (min(column) for column in zip(*times, strict=True))
    return solver, read


def loop_pure_nash(games: Any) -> list[list[tuple[int, int]]]:
    found = []
    for game in games:
        cells = []
        for i in range(2):
            for j in range(3):
                user, llm = game[i][j]
                if user >= game[1 - i][j][0] and all(llm >= cell[1] for cell in game[i]):
                    cells.append((i, j))
        found.append(cells)
    return found


def loop_frontier(games: Any) -> list[list[int]]:
    found = []
    for game in games:
        cells = [cell for row in game for cell in row]
        found.append(
            [
                c
                for c, (user, llm) in enumerate(cells)
                if not any(u >= user and v >= llm and (u > user or v > llm) for u, v in cells)
            ]
        )
    return found


def loop_optimum(games: Any) -> list[int]:
    return [
        max(range(6), key=lambda c: (sum(game[c // 3][c % 3]), game[c // 3][c % 3][0]))
        for game in games
    ]


def nashpy_equilibria(games: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            list(nashpy.Game(game[..., 0], game[..., 1]).support_enumeration()) for game in games
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--games", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    games = np.random.default_rng(0).uniform(-5, 5, (arguments.games, 2, 3, 2))
    on_grid = np.round(games, 1)
    repeats = arguments.repeats

    peers: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
        "pure Nash": ("Python loop", loop_pure_nash, games[:5000].tolist()),
        "Pareto frontier": ("Python loop", loop_frontier, games[:5000].tolist()),
        "social optimum": ("Python loop", loop_optimum, games[:5000].tolist()),
        "all equilibria": ("nashpy supports", nashpy_equilibria, games[:500]),
    }
    solvers: dict[str, Callable[[Any], Any]] = {
        "pure Nash": pure_nash,
        "Pareto frontier": pareto_frontier,
        "social optimum": social_optimum,
        "all equilibria": vertex_pairs,
        "all equilibria, with probabilities": equilibria,
        "best responses": best_responses,
        "LLM leads": lambda payoffs: stackelberg(payoffs, "llm"),
    }
    table = Table(title=f"{arguments.games:,} random 2 x 3 games, float64, one thread")
    columns = ("", "ms", "a read, ms", "reads", "aim", "0.1 grid, reads", "peer", "times faster")
    for column in columns:
        table.add_column(column, justify="left" if column in ("", "peer") else "right")
    for name, solver in solvers.items():
        time_taken, read = least(solver, games, repeats)
        with_ties, read_ties = least(solver, on_grid, repeats)
        peer, faster = "", ""
        if name in peers:
            peer, function, sample = peers[name]
            each = min(seconds(function, sample) for _ in range(2)) / len(sample)
            faster = f"{each * arguments.games / time_taken:,.0f}"
        table.add_row(
            name,
            f"{1e3 * time_taken:.1f}",
            f"{1e3 * read:.2f}",
            f"{time_taken / read:.1f}",
            str(AIMS.get(name, "")),
            f"{with_ties / read_ties:.1f}",
            peer,
            faster,
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
