"""Whether the choices of analyses are right by the matrices of their own chains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gtalign.chain.choice import Choice
from gtalign.game import GameForm


def solution_scores(
    frontier_Nmn: NDArray[np.bool_], choices: Sequence[Choice], form: GameForm
) -> NDArray[np.float64]:
    """Solution correctness S of N chains (GTAlign, arXiv 2510.08872, section on the reward).

    Args:
        frontier_Nmn: Which cells of each chain's own matrix are on its Pareto frontier.
        choices: The choices of the analyses, one for each chain.
        form: The game.

    Returns:
        1 where the chosen cell is on the frontier; 0.5 where an LLM action alone is chosen, and
        some frontier cell has that action; 0 where anything else is chosen; NaN where the choice
        is unknown.
    """
    cells = {None: -1} | {cell: number for number, cell in enumerate(form.cells)}
    columns = {None: -1} | {action: number for number, action in enumerate(form.llm_actions)}
    cell_N = np.array([cells[choice.cell] for choice in choices], np.intp)
    column_N = np.array([columns[choice.action] for choice in choices], np.intp)
    # A missing choice looks up the last place; the result is not used.
    rows = np.arange(len(choices))
    by_cell_N = frontier_Nmn.reshape(len(choices), len(form.cells))[rows, cell_N]
    by_action_N = frontier_Nmn[rows, :, column_N].any(axis=1) / 2
    return np.where(column_N < 0, np.nan, np.where(cell_N < 0, by_action_N, by_cell_N))
