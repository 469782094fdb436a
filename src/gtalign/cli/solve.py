"""``gtalign solve``: frontier, equilibria, optimum and welfare of payoff matrices."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtalign.cli.options import AsJsonLines, Game
from gtalign.cli.show.result import print_json
from gtalign.cli.show.solution import solution_panel
from gtalign.errors import PayoffError
from gtalign.game import solve
from gtalign.game.file import load_game
from gtalign.game.text import read_games
from gtalign.steering.believed import read_belief


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="[FILE|-]",
            help="JSON, or JSON Lines for several matrices; - or no FILE reads stdin.",
        ),
    ] = Path("-"),
    game: Game = None,
    belief: Annotated[
        str | None,
        typer.Option(
            help="How likely each action of the user is, for the rules that need a belief; such"
            " as DQ=0.7,VQ=0.3."
        ),
    ] = None,
    as_json: AsJsonLines = False,
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
    name = "stdin" if str(file) == "-" else str(file)
    raw = sys.stdin.buffer.read() if name == "stdin" else file.read_bytes()
    try:
        games = read_games(raw.decode("utf-8-sig"), form)
    except UnicodeDecodeError as error:
        raise PayoffError(f"{name}: not UTF-8 text (byte {error.start})") from None
    except PayoffError as error:
        raise PayoffError(f"{name}: {error}") from None
    believed = None if belief is None else read_belief(belief)
    console = Console()
    for number, matrix in enumerate(games, start=1):
        solution = solve(matrix)
        if as_json:
            print_json(solution.to_json())
        else:
            title = f"matrix {number}" if len(games) > 1 else ""
            console.print(solution_panel(solution, title, console.options.ascii_only, believed))
