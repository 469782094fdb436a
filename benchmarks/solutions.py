"""Speed of the newer solutions on random 2 x 3 games, as multiples of the batched solver.

    python benchmarks/solutions.py [--games 100000] [--repeats 3]

The batched solver is `vertex_pairs`, which marks all equilibria: the most work of the solvers that
`benchmarks/game.py` compares with one read from memory. Every time is the least of the repeats, in
processor time of the thread, taken in turns with the batched solver on the same games. The last one
is solved one game after the other, on fewer games, and scaled up.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gtalign.game import (
    ClarifyingQuestion,
    belief_response,
    clarify,
    clarifying_move,
    commit,
    commitment_gain,
    critical_discount,
    noisy_leader,
    optimum_radius,
    perfect_information,
    quantal_equilibrium,
    response_radius,
    signalling_equilibria,
    vertex_pairs,
    worth_asking,
)

FEWER = 100
"""How many times fewer games the slow solution gets."""

ASK = ClarifyingQuestion([[0.8, 0.2], [0.2, 0.8]], (0.3, 0.2), patience=0.9)


def seconds(function: Callable[[Any], Any], argument: Any) -> float:
    start = time.thread_time()
    function(argument)
    return time.thread_time() - start


def clarify_all(games: Any) -> None:
    for game in games:
        clarify(game, [ASK], 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--games", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    games = np.round(rng.uniform(-5, 5, (arguments.games, 2, 3, 2)), 1)
    beliefs = rng.dirichlet(np.ones(2), arguments.games)
    likelihood = [[0.8, 0.2], [0.2, 0.8]]
    signals = np.round(rng.uniform(-5, 5, (arguments.games, 2, 2, 3, 2)), 1)

    solutions: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "best response to a belief": (lambda g: belief_response(g, beliefs), games),
        "value of perfect information": (lambda g: perfect_information(g, beliefs), games),
        "ask or not": (lambda g: worth_asking(g, beliefs, likelihood, [0.3, 0.2]), games),
        "user commits, strong": (lambda g: commit(g, "user"), games),
        "LLM commits, strong": (lambda g: commit(g, "llm"), games),
        "LLM commits, weak": (lambda g: commit(g, "llm", "weak"), games),
        "gain by commitment": (lambda g: commitment_gain(g, "llm"), games),
        "critical discount factor": (critical_discount, games),
        "LLM before noisy users": (lambda g: noisy_leader(g, 2.0), games),
        "radius of the optimum": (optimum_radius, games),
        "radius of the response": (lambda g: response_radius(g, beliefs), games),
        "signalling, 2 x 2 x 3": (lambda g: signalling_equilibria(g, [0.5, 0.5]), signals),
        "quantal equilibrium": (lambda g: quantal_equilibrium(g, 1.0), games),
        "2 questions, at one belief": (lambda g: clarifying_move(g, beliefs, [ASK], 2), games),
        "2 questions, at all beliefs": (clarify_all, games[::FEWER]),
    }
    table = Table(title=f"{arguments.games:,} random 2 x 3 games on a 0.1 grid, one thread")
    for column in ("", "ms", "all equilibria, ms", "times all equilibria"):
        table.add_column(column, justify="right" if column else "left")
    for name, (solution, given) in solutions.items():
        pairs = [
            (seconds(solution, given), seconds(vertex_pairs, games))
            for _ in range(arguments.repeats)
        ]
        taken, peer = (min(column) for column in zip(*pairs, strict=True))
        taken *= arguments.games / len(given)
        table.add_row(name, f"{1e3 * taken:.1f}", f"{1e3 * peer:.1f}", f"{taken / peer:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
