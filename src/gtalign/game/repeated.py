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
    ``c - p`` in each later round (d its best payoff against the other's action, c its payoff in the
    cell, p in the punishment). So it stays if its discount factor is at least
    ``(d - c) / (d - p)``; the cell needs the greater of both players'. 0 for an equilibrium.
    (Friedman, "A non-cooperative equilibrium for supergames", 1971.)

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.

    Returns:
        Numbers in [0, 1); nan where no discount factor below 1 sustains the cell in this way.

    Raises:
        GameError: Another shape, or a payoff that is not finite.
    """
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    found = equilibria(array)
    value_E2 = np.einsum("em,en,emnp->ep", found.user, found.llm, games_Nmn2[found.game])
    punished_N2 = np.full((len(games_Nmn2), 2), np.inf)
    np.minimum.at(punished_N2, found.game, value_E2)
    best = np.stack(
        [
            np.broadcast_to(games_Nmn2[..., 0].max(axis=1, keepdims=True), games_Nmn2.shape[:-1]),
            np.broadcast_to(games_Nmn2[..., 1].max(axis=2, keepdims=True), games_Nmn2.shape[:-1]),
        ],
        axis=-1,
    )
    punished = punished_N2[:, None, None]
    tempted = best - games_Nmn2 > TOLERANCE
    deterred = games_Nmn2 - punished > TOLERANCE
    needed = np.where(tempted & deterred, best - games_Nmn2, 0) / np.where(
        tempted & deterred, best - punished, 1
    )
    result: Payoffs = np.where(tempted & ~deterred, np.nan, needed).max(axis=-1)
    return result if array.ndim == 4 else result[0]
