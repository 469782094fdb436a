"""Welfare of both players as one number: the CES family, and Nash's product of gains."""

import math
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game.arrays import LIMIT, Payoffs, blocks, check, number, numbers
from gtalign.game.cells import first_best, pareto_frontier
from gtalign.game.form import TOLERANCE, Player, known_player


@overload
def ces(user: float, llm: float, rho: float) -> float: ...
@overload
def ces(user: ArrayLike, llm: ArrayLike, rho: float) -> Payoffs: ...
def ces(user: ArrayLike, llm: ArrayLike, rho: float) -> float | Payoffs:
    """Mean of order rho of two welfares: ``((user**rho + llm**rho) / 2) ** (1 / rho)``.

    The members: utilitarian (the mean) at 1, Cobb-Douglas ``sqrt(user * llm)`` at 0, Rawlsian (the
    lesser) at -inf, the greater at +inf. It grows with rho, and scales with its arguments. With
    rho <= 0 a side at zero makes it zero; with rho > 0 it does not. At 1 and at either infinity it
    is defined for all real welfares. Otherwise it is not for a negative or infinite one, and the
    result is nan: subtract a disagreement point first. (GTAlign, arXiv 2510.08872, section 3;
    Arrow, Chenery, Minhas and Solow, 1961.)

    Args:
        user: Welfare of the user, any shape.
        llm: Welfare of the LLM, of a shape that fits.
        rho: Order; the elasticity of substitution is ``1 / (1 - rho)``.

    Returns:
        A float for two numbers, otherwise an array.

    Raises:
        GameError: rho is nan or no number, or welfares are no numbers.
    """
    rho = number("the order rho of a CES welfare is", rho, -math.inf, math.inf)
    user, llm = numbers("welfare is made of", user), numbers("welfare is made of", llm)
    low, high = np.minimum(user, llm), np.maximum(user, llm)
    if rho == 1:
        result = low / 2 + high / 2
    elif math.isinf(rho):
        result = low if rho < 0 else high
    else:
        defined = (low >= 0) & np.isfinite(high)
        mean = _power_mean(np.where(defined, low, 0), np.where(defined, high, 0), rho)
        result = np.where(defined, mean, np.nan)
    return float(result) if result.ndim == 0 else result


def _power_mean(low: Payoffs, high: Payoffs, rho: float) -> Payoffs:
    """Mean of order rho of ``0 <= low <= high``, rho neither 1 nor infinite."""
    positive = low > 0
    low_1, high_1 = np.where(positive, low, 1), np.where(positive, high, 1)
    if abs(rho) < 1e-12:  # nearer to the limit than float64 can tell
        return np.where(positive, np.sqrt(low_1) * np.sqrt(high_1), 0)
    # Relative to the side that dominates, so that nothing overflows; through expm1 and log1p, so
    # that digits are not lost as rho nears 0.
    apart = np.log(low_1) - np.log(high_1)
    base = high_1 if rho > 0 else low_1
    mean = base * np.exp(np.log1p(np.expm1(abs(rho) * apart) / 2) / rho)
    # 2 ** (-1 / rho) underflows to its limit 0 for a tiny rho, which ** would refuse to do.
    at_zero = high * math.exp(-math.log(2) / rho) if rho > 0 else np.zeros_like(high)
    return np.where(positive, mean, at_zero)


@overload
def cobb_douglas(user: float, llm: float) -> float: ...
@overload
def cobb_douglas(user: ArrayLike, llm: ArrayLike) -> Payoffs: ...
def cobb_douglas(user: ArrayLike, llm: ArrayLike) -> float | Payoffs:
    """``sqrt(user * llm)``, the mutual welfare W of the paper; nan if a side is negative."""
    return ces(user, llm, 0.0)


@overload
def utilitarian(user: float, llm: float) -> float: ...
@overload
def utilitarian(user: ArrayLike, llm: ArrayLike) -> Payoffs: ...
def utilitarian(user: ArrayLike, llm: ArrayLike) -> float | Payoffs:
    """The mean of both sides, for all real welfares."""
    return ces(user, llm, 1.0)


def ces_optimum(
    payoffs: ArrayLike, rho: float, zero: float, ties: Player = "user"
) -> NDArray[np.intp]:
    """The frontier cell with the highest `ces`; ties: highest payoff of one side, then first cell.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        rho: Order of the mean.
        zero: The payoff at which welfare is 0. A lower payoff has no welfare either.
        ties: Whose payoff decides between cells of the highest welfare.

    Returns:
        Cell numbers, user-major, integer ``[...]``.

    Raises:
        GameError: Not an array of payoffs, a number that is none or nan, or no player.
    """
    known_player("ties go to", ties)
    number("the payoff of no welfare is", zero, -LIMIT, LIMIT)
    games = check(payoffs)
    cells_c = games.shape[-3] * games.shape[-2]
    user_cN, llm_cN = np.moveaxis(games.reshape(-1, cells_c, 2), (2, 1), (0, 1))
    frontier_cN = pareto_frontier(games).reshape(-1, cells_c).T
    welfare_cN = ces(np.maximum(user_cN - zero, 0), np.maximum(llm_cN - zero, 0), rho)
    worth_cN = np.where(frontier_cN, welfare_cN, -np.inf)
    cell_N = first_best(worth_cN, user_cN if ties == "user" else llm_cN)
    return cell_N if games.ndim == 4 else cell_N[0]


def nash_bargaining(payoffs: ArrayLike, disagreement: ArrayLike) -> NDArray[np.intp]:
    """The cell with the greatest product of gains over the payoffs without agreement.

    Only cells that give both at least their disagreement payoff count. Ties, as those of products
    that are zero, go to the highest sum of payoffs, then to the first cell. Lotteries over cells
    are left out: an assistant picks one (Nash, "The bargaining problem", 1950).

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        disagreement: Payoff of each player without agreement, for example ``maximin(payoffs)[1]``;
            shape ``[2]``, or ``[N, 2]`` for a batch.

    Returns:
        Cell numbers, user-major, integer ``[...]``; -1 where no cell is good enough for both.

    Raises:
        GameError: Shapes that do not fit, or a number that is not finite.
    """
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    count = len(games_Nmn2)
    point = numbers("a disagreement point is made of", disagreement)
    if point.shape not in ((2,), (*array.shape[:-3], 2)) or not np.isfinite(point).all():
        raise GameError(
            "a disagreement point is two finite numbers, user and LLM, for all games or for each; "
            f"not an array of shape {list(point.shape)}"
            + ("" if np.isfinite(point).all() else " with numbers that are not finite")
        )
    point_N2 = np.broadcast_to(point, (count, 2))
    chosen = np.empty(count, np.intp)
    for place, block in blocks(games_Nmn2):
        payoffs_c2B = block.reshape(-1, *block.shape[2:])
        gains_c2B = payoffs_c2B - point_N2[place].T
        fair_cB = (gains_c2B >= -TOLERANCE).all(axis=1)
        product_cB = np.maximum(gains_c2B, 0).prod(axis=1)
        cell = first_best(np.where(fair_cB, product_cB, -np.inf), payoffs_c2B.sum(axis=1))
        chosen[place] = np.where(fair_cB.any(axis=0), cell, -1)
    return chosen if array.ndim == 4 else chosen[0]
