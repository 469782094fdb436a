"""The game repeated without end: how patient the players must be to stay in a cell."""

import numpy as np
from numpy.typing import ArrayLike

from gtalign.game.arrays import Payoffs, check
from gtalign.game.equilibria import equilibria
from gtalign.game.form import TOLERANCE


def critical_discount(payoffs: ArrayLike) -> Payoffs:
    """The smallest discount factor that sustains each cell by grim trigger, ``[..., m, n]``.

    Both play the cell until one leaves it; from then on both play, for ever, the equilibrium of
    the single game that is worst for who left. A player who leaves gains ``d - c`` once and loses
    ``c - p`` in each later round (d its best payoff from another action, c its payoff in the cell,
    p in the punishment). So it stays at a discount factor x if ``x (d - p) >= d - c``. If it is
    tempted (d > c), it has to be patient, ``x >= (d - c) / (d - p)``. If what follows is no
    punishment (p > c), it has to be impatient, ``x <= (c - d) / (p - d)``: leaving costs it once
    and pays ever after. 0 for an equilibrium. (Friedman, "A non-cooperative equilibrium for
    supergames", 1971.)

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.

    Returns:
        Numbers in [0, 1); nan where no discount factor below 1 sustains the cell in this way.

    Raises:
        GameError: Another shape, or a payoff that is not finite.
    """
    array = check(payoffs)
    kept = array if array.ndim == 4 else array[None]
    found = equilibria(array)
    value_E2 = np.einsum("em,en,emnp->ep", found.user, found.llm, kept[found.game])
    punished_N2 = np.full((len(kept), 2), np.inf)
    np.minimum.at(punished_N2, found.game, value_E2)
    punished = punished_N2[:, None, None]
    best = np.stack([_best_other(kept[..., 0], 1), _best_other(kept[..., 1], 2)], axis=-1)
    gain, loss = best - kept, kept - punished  # the gain is -inf for a player of one action
    tempted, deterred = gain > TOLERANCE, loss > TOLERANCE
    drawn = ~tempted & (loss < -TOLERANCE) & np.isfinite(best)
    least = np.where(tempted & deterred, gain / np.where(tempted & deterred, gain + loss, 1), 0)
    most = np.where(drawn, gain / np.where(drawn, gain + loss, 1), 1)
    needed = np.where(tempted & ~deterred, np.nan, least).max(axis=-1)
    result: Payoffs = np.where(needed > most.min(axis=-1) + TOLERANCE, np.nan, needed)
    return result if array.ndim == 4 else result[0]


def _best_other(payoffs: Payoffs, axis: int) -> Payoffs:
    """The best payoff along an axis at another place than each one's own; -inf if it is alone."""
    first = payoffs.max(axis=axis, keepdims=True)
    at = payoffs.argmax(axis=axis, keepdims=True)
    rest = payoffs.copy()
    np.put_along_axis(rest, at, -np.inf, axis)
    second = rest.max(axis=axis, keepdims=True)
    own = np.arange(payoffs.shape[axis]).reshape(
        [-1 if i == axis else 1 for i in range(payoffs.ndim)]
    )
    best: Payoffs = np.where(own == at, second, first)
    return best
