"""Costs of a solution: the price of selfish play, and the temptation to leave the joint optimum.

Shapes, errors and cell numbers as in ``gtalign.game.cells``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import Payoffs, blocks, check
from gtalign.game.cells import pure_nash
from gtalign.game.equilibria import Equilibria, equilibria
from gtalign.game.form import TOLERANCE


def equilibrium_welfare(
    payoffs: ArrayLike, *, pure: bool = False, found: Equilibria | None = None
) -> Payoffs:
    """Sum of both expected payoffs in the worst and in the best Nash equilibrium.

    The welfare of a mixture is linear in either player's probabilities, so it is enough to compare
    the extreme equilibria.

    Args:
        payoffs: One game or a batch.
        pure: Look at pure equilibria alone; nan where there is none.
        found: ``equilibria(payoffs)``, if it is at hand already.

    Returns:
        Worst and best, ``[..., 2]``.
    """
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    welfare_Nmn = games_Nmn2.sum(axis=-1)
    if pure:
        game, row, column = np.nonzero(pure_nash(games_Nmn2))
        value = welfare_Nmn[game, row, column]
    else:
        found = equilibria(array) if found is None else found
        game = found.game
        value = np.einsum("em,en,emn->e", found.user, found.llm, welfare_Nmn[game])
    worst, best = np.full((2, len(games_Nmn2)), np.nan)
    np.fmin.at(worst, game, value)
    np.fmax.at(best, game, value)
    result = np.stack([worst, best], axis=-1)
    return result if array.ndim == 4 else result[0]


def price_of_anarchy(payoffs: ArrayLike, *, pure: bool = False) -> Payoffs:
    """Welfare of the social optimum over that of the worst equilibrium, ``[...]``.

    nan where either is not positive (a ratio means nothing there: use ``welfare_gap``), or, if
    only ``pure`` equilibria count, where there is none. Koutsoupias and Papadimitriou, 1999.
    """
    return price(_optimal(payoffs), equilibrium_welfare(payoffs, pure=pure)[..., 0])


def welfare_gap(payoffs: ArrayLike, *, pure: bool = False) -> Payoffs:
    """Welfare of the social optimum less that of the worst equilibrium, ``[...]``.

    Defined for welfares of any sign; nan only where no ``pure`` equilibrium exists.
    """
    return _optimal(payoffs) - equilibrium_welfare(payoffs, pure=pure)[..., 0]


def price(optimal: ArrayLike, welfare: ArrayLike) -> Payoffs:
    """Optimal welfare over a welfare, ``[...]``; nan where either is not positive."""
    positive = (np.asarray(optimal) > TOLERANCE) & (np.asarray(welfare) > TOLERANCE)
    ratio: Payoffs = np.where(positive, optimal, np.nan) / np.where(positive, welfare, 1)
    return ratio


def deviation_gains(payoffs: ArrayLike, cells: ArrayLike) -> Payoffs:
    """Each player's gain from leaving a cell while the other stays: 0 for both in an equilibrium.

    Args:
        payoffs: One game or a batch.
        cells: Cell numbers, integer ``[...]``, for example ``social_optimum(payoffs)``.

    Returns:
        Gain of the user and of the LLM, ``[..., 2]``, never negative.

    Raises:
        GameError: As everywhere, and for cell numbers that do not fit.
    """
    games_Nmn2, game, row, column = _places(payoffs, cells)
    here_N2 = games_Nmn2[game, row, column]
    user = games_Nmn2[game, :, column, 0].max(axis=1) - here_N2[:, 0]
    llm = games_Nmn2[game, row, :, 1].max(axis=1) - here_N2[:, 1]
    result = np.stack([user, llm], axis=-1)
    return result if np.ndim(cells) else result[0]


def misread_loss(payoffs: ArrayLike, cells: ArrayLike) -> Payoffs:
    """Welfare lost if the LLM keeps a cell's action while the user's is another.

    The LLM picks the action of the cell that it believes in, but controls only its own action. If
    the user in fact plays row i, the loss is the best sum of payoffs in row i less the sum in the
    cell of that row and the LLM's action.

    Args:
        payoffs: One game or a batch.
        cells: Cell numbers, integer ``[...]``.

    Returns:
        Loss for each actual action of the user, ``[..., m]``, never negative.

    Raises:
        GameError: As everywhere, and for cell numbers that do not fit.
    """
    games_Nmn2, game, _, column = _places(payoffs, cells)
    welfare_Nmn = games_Nmn2.sum(axis=-1)
    result: Payoffs = welfare_Nmn.max(axis=2) - welfare_Nmn[game, :, column]
    return result if np.ndim(cells) else result[0]


def _optimal(payoffs: ArrayLike) -> Payoffs:
    result: Payoffs = check(payoffs).sum(axis=-1).max(axis=(-2, -1))
    return result


def _places(
    payoffs: ArrayLike, cells: ArrayLike
) -> tuple[Payoffs, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Checked games ``[N, m, n, 2]``, their numbers, and row and column of each one's cell."""
    array, numbers = check(payoffs), np.asarray(cells)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    for _ in blocks(games_Nmn2):  # refuses what is not finite
        pass
    _, m, n, _ = games_Nmn2.shape
    if numbers.dtype.kind not in "iu" or numbers.shape != array.shape[:-3]:
        raise GameError(
            f"cell numbers are integers of shape {list(array.shape[:-3])}, "
            f"not {numbers.dtype} of shape {list(numbers.shape)}"
        )
    if ((numbers < 0) | (numbers >= m * n)).any():
        raise GameError(f"cell numbers of a {m} x {n} game lie in 0 to {m * n - 1}")
    row, column = np.divmod(np.atleast_1d(numbers).astype(np.intp), n)
    return games_Nmn2, np.arange(len(games_Nmn2)), row, column
