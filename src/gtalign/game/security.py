"""The mixed action that secures the most: the value of a zero-sum game."""

import numpy as np
from numpy.typing import ArrayLike

from gtalign.errors import GameError
from gtalign.game.arrays import Payoffs


def secure(gains: ArrayLike) -> tuple[float, Payoffs]:
    """The most that a mixture of rows secures against every column, and such a mixture.

    Solved as a linear program by the simplex method (Dantzig, "A proof of the equivalence of the
    programming problem and the game problem", 1951). Bland's rule ends what might be a cycle.

    Args:
        gains: What the player of the rows gets, finite, ``[rows, columns]``.

    Returns:
        The value, and a probability for each row.
    """
    table = np.asarray(gains, np.float64)
    rows, columns = table.shape
    scale = np.abs(table).max() or 1.0
    low = table.min() / scale - 1
    # Shifted so that all gains are at least 1: then the value is positive, and the other player's
    # program (the most of sum(y) with gains @ y <= 1) starts from y = 0.
    tableau = np.zeros((rows + 1, columns + rows + 1))
    tableau[:rows, :columns] = table / scale - low
    tableau[:rows, columns:-1] = np.eye(rows)
    tableau[:rows, -1] = 1
    tableau[-1, :columns] = -1
    basis = np.arange(columns, columns + rows)
    for step_number in range(1000 + 100 * (rows + columns)):
        slopes = tableau[-1, :-1]
        enters = np.argmin(slopes) if step_number < 100 else np.argmax(slopes < -1e-12)
        if slopes[enters] >= -1e-12:
            duals = np.maximum(tableau[-1, columns:-1], 0)
            return float((1 / tableau[-1, -1] + low) * scale), duals / duals.sum()
        column = tableau[:rows, enters]
        step = np.full(rows, np.inf)
        np.divide(tableau[:rows, -1], column, out=step, where=column > 1e-12)
        tied = np.flatnonzero(step <= step.min() + 1e-15)
        leaves = tied[np.argmin(basis[tied])]
        basis[leaves] = enters
        tableau[leaves] /= tableau[leaves, enters]
        others = np.arange(rows + 1) != leaves
        tableau[others] -= np.outer(tableau[others, enters], tableau[leaves])
    raise GameError("the gains span too many orders of magnitude to be compared")
