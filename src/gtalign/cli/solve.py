"""``gtalign solve``: frontier, equilibria, optimum and welfare of payoff matrices."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.result import print_json
from gtalign.cli.show.solution import print_solutions
from gtalign.game import solve
from gtalign.game.file import load_game
from gtalign.game.text import decode_games
from gtalign.steering.believed import read_belief


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="[FILE|-]",
            help="JSON, or JSON Lines for several matrices; - or no FILE reads stdin.",
        ),
    ] = Path("-"),
    game: options.Game = None,
    belief: Annotated[
        str | None,
        typer.Option(
            help="How likely each action of the user is, for the rules that need a belief; such"
            " as DQ=0.7,VQ=0.3."
        ),
    ] = None,
    as_json: options.AsJsonLines = False,
) -> None:
    """Solve a payoff matrix: its frontier, equilibria, optimum and welfare.

    A matrix is an object with a key for each cell, user action first:
    {"DQ_AQ": {"LLM": 3, "user": 3}, ...}. In the usual game, the user asks a
    detailed (DQ) or a vague question (VQ); the LLM answers directly (DA), asks
    back (CQ), or answers and asks (AQ). Other names define another game, with
    the actions in order of appearance; with --game, a file defines it.

    Example:
        gtalign solve matrix.json
        gtalign solve matrix.json --belief DQ=0.7,VQ=0.3
        tail -1 matrices.jsonl | gtalign solve - --json
    """
    form = None if game is None else load_game(game)
    piped = str(file) == "-"
    raw = sys.stdin.buffer.read() if piped else file.read_bytes()
    games = decode_games(raw, "stdin" if piped else str(file), form)
    believed = None if belief is None else read_belief(belief)
    solutions = map(solve, games)  # each is printed before the next is solved
    if as_json:
        for solution in solutions:
            print_json(solution.to_json())
    else:
        print_solutions(solutions, len(games), believed)
