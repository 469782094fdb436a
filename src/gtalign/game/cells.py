"""Solutions in pure actions: the cells that are efficient, stable, best, or chosen by a leader.

Every function takes the payoffs of one game ``[m, n, 2]`` or of a batch ``[N, m, n, 2]`` (``...``
below is the batch axis or nothing), raises ``GameError`` for any other shape and for payoffs that
are not finite, and compares with ``TOLERANCE``. Cells are numbered user-major: cell ``c`` is row
``c // n`` of the user and column ``c % n`` of the LLM.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.game.arrays import Mask, Payoffs, solve_blocks
from gtalign.game.form import TOLERANCE, Player, known_player


def pareto_frontier(payoffs: ArrayLike) -> Mask:
    """Cells that no other cell dominates; boolean ``[..., m, n]``.

    A cell dominates another if it gives neither player less and at least one more. Cells with equal
    payoffs do not dominate each other: all of them stay.
    """

    def kernel(block: Payoffs, frontier: Mask) -> None:
        m, n, _, games = block.shape
        user = block[:, :, 0].reshape(m * n, games)
        llm = block[:, :, 1].reshape(m * n, games)
        # [c, d]: a player is better off in c than in d. Then c dominates d if that does not hold
        # the other way round, and d is on the frontier if no c does so.
        better_cdB = (user - TOLERANCE)[:, None] > user
        better_cdB |= (llm - TOLERANCE)[:, None] > llm
        undominated_cdB = better_cdB.swapaxes(0, 1) >= better_cdB
        np.all(undominated_cdB.reshape(m * n, m, n, games), axis=0, out=frontier)

    result: Mask = solve_blocks(payoffs, kernel, "m", "n", dtype=np.bool_)
    return result


def social_optimum(payoffs: ArrayLike, ties: Player = "user") -> NDArray[np.intp]:
    """The cell with the highest sum of payoffs; ties: highest payoff of one side, then first cell.

    The published rule breaks ties by the user's payoff, and the last ones by the LLM's, which can
    never decide: an equal sum and an equal user payoff leave an equal LLM payoff (GTAlign, arXiv
    2510.08872, its prompt).

    Args:
        payoffs: One game or a batch.
        ties: Whose payoff decides between cells of the highest sum.

    Returns:
        Cell numbers, integer ``[...]``.
    """
    known_player("ties go to", ties)

    def kernel(block: Payoffs, cell: NDArray[np.intp]) -> None:
        m, n, _, games = block.shape
        user = block[:, :, 0].reshape(m * n, games)
        llm = block[:, :, 1].reshape(m * n, games)
        cell[...] = first_best(user + llm, user if ties == "user" else llm)

    result: NDArray[np.intp] = solve_blocks(payoffs, kernel, dtype=np.intp)
    return result


def best_responses(payoffs: ArrayLike) -> Mask:
    """Where a player cannot gain by another action; boolean ``[..., m, n, 2]``.

    ``[..., 0]``: the user's row is best against the column; ``[..., 1]``: the LLM's column is
    best against the row.
    """

    def kernel(block: Payoffs, best: Mask) -> None:
        best[:, :, 0], best[:, :, 1] = _best(block)

    result: Mask = solve_blocks(payoffs, kernel, "m", "n", 2, dtype=np.bool_)
    return result


def pure_nash(payoffs: ArrayLike) -> Mask:
    """Cells in which both actions are best responses; boolean ``[..., m, n]``."""

    def kernel(block: Payoffs, nash: Mask) -> None:
        np.logical_and(*_best(block), out=nash)

    result: Mask = solve_blocks(payoffs, kernel, "m", "n", dtype=np.bool_)
    return result


def dominated(payoffs: ArrayLike) -> tuple[Mask, Mask]:
    """Actions that another pure action beats strictly against every action of the other player.

    Returns:
        The user's, boolean ``[..., m]``, and the LLM's, ``[..., n]``.
    """

    def kernel_of(player: int) -> Any:
        def kernel(block: Payoffs, beaten: Mask) -> None:
            own_abB = block[:, :, player] if player == 0 else block[:, :, 1].swapaxes(0, 1)
            for a in range(len(own_abB)):
                better = own_abB > own_abB[a] + TOLERANCE
                np.any(np.all(better, axis=1), axis=0, out=beaten[a])

        return kernel

    user: Mask = solve_blocks(payoffs, kernel_of(0), "m", dtype=np.bool_)
    llm: Mask = solve_blocks(payoffs, kernel_of(1), "n", dtype=np.bool_)
    return user, llm


def is_trap(payoffs: ArrayLike) -> Mask:
    """Whether some pure equilibrium is not on the Pareto frontier; boolean ``[...]``."""
    result: Mask = np.any(pure_nash(payoffs) & ~pareto_frontier(payoffs), axis=(-2, -1))
    return result


def stackelberg(payoffs: ArrayLike, leader: Player) -> NDArray[np.intp]:
    """The cell that results if one player commits to a pure action and the other best responds.

    The follower breaks its ties in the leader's favour. A leader with several best cells takes
    the one that is best for the follower, then the first.

    Returns:
        Cell numbers, integer ``[...]``.
    """
    known_player("the leader is", leader)

    def kernel(block: Payoffs, cell: NDArray[np.intp]) -> None:
        m, n, _, games = block.shape
        best_user, best_llm = _best(block)
        user, llm = block[:, :, 0], block[:, :, 1]
        first, second, answers = (
            (user, llm, best_llm) if leader == "user" else (llm, user, best_user)
        )
        reached = np.where(answers, first, -np.inf)
        cell[...] = first_best(
            reached.reshape(m * n, games), np.ascontiguousarray(second).reshape(m * n, games)
        )

    result: NDArray[np.intp] = solve_blocks(payoffs, kernel, dtype=np.intp)
    return result


def maximin(payoffs: ArrayLike) -> tuple[NDArray[np.intp], Payoffs]:
    """Each player's safest pure action and the payoff that it secures against every action.

    Returns:
        Action numbers, integer ``[..., 2]`` (user, LLM; the first of several), and the secured
        payoffs, ``[..., 2]``.
    """

    def kernel(block: Payoffs, secured: Payoffs) -> None:
        for player in (0, 1):
            worst = block[:, :, player].min(axis=1 - player)
            best = worst.max(axis=0)
            secured[0, player] = np.argmax(worst >= best - TOLERANCE, axis=0)
            secured[1, player] = best

    result: Payoffs = solve_blocks(payoffs, kernel, 2, 2, dtype=np.float64)
    return result[..., 0, :].astype(np.intp), result[..., 1, :]


def _best(block: Payoffs) -> tuple[Mask, Mask]:
    """Best responses of the user and of the LLM in a block ``[m, n, 2, B]``; each [m, n, B]."""
    user, llm = block[:, :, 0], block[:, :, 1]
    best_user = user >= user.max(axis=0) - TOLERANCE
    best_llm = llm >= llm.max(axis=1, keepdims=True) - TOLERANCE
    return best_user, best_llm


def first_best(first_cB: Payoffs, second_cB: Payoffs) -> NDArray[np.intp]:
    """Row with the highest first value; ties: highest second value; ties: the first row."""
    tied = first_cB >= first_cB.max(axis=0) - TOLERANCE
    second_cB = np.where(tied, second_cB, -np.inf)
    tied &= second_cB >= second_cB.max(axis=0) - TOLERANCE
    result: NDArray[np.intp] = np.argmax(tied, axis=0)
    return result
