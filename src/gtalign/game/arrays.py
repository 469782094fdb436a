"""Arrays of games: the shapes that solvers accept, and the blocks in which they process batches.

A solver takes one game, ``[m, n, 2]``, or a batch, ``[N, m, n, 2]``, and its result has the same
leading axis or none. Inside, games are the last axis: a block of a few thousand is transposed so
that each payoff of the game is a contiguous row, and stays in the processor's cache while the
solver passes over it. Results of a batch are therefore views whose first axis varies fastest in
memory; copy them (``np.ascontiguousarray``) where a row-major layout matters.
"""

from collections.abc import Callable, Iterator
from operator import index
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from gtalign.errors import GameError

Payoffs = NDArray[np.float64]
Mask = NDArray[np.bool_]
Kernel = Callable[[Payoffs, Any], None]
"""Fills one result block [..., B] from one payoff block [m, n, 2, B]."""

BLOCK = 8192 * 6
"""Cells in a block, all its games together: 800 KB of payoffs, which fit in the cache of a core."""

LIMIT = 1e100
"""Greatest payoff, either way, that the solvers take: products of two stay finite."""


def numbers(what: str, given: ArrayLike) -> Payoffs:
    """Real numbers as a float64 array.

    Args:
        what: What they are, with a verb, for the message.
        given: One number, or an array of any shape.

    Raises:
        GameError: Something else: truth values, text, complex numbers, objects, rows of different
            lengths.
    """
    try:
        array = np.asarray(given)
    except ValueError:
        raise GameError(f"{what} numbers in rows of one length") from None
    if array.dtype.kind not in "iuf":
        kind = "a mixture" if array.dtype.kind == "O" else array.dtype
        raise GameError(f"{what} numbers, not {kind}")
    return array.astype(np.float64, copy=False)


def number(what: str, given: float, low: float, high: float) -> float:
    """One real number in a closed range.

    Args:
        what: What it is, with a verb, for the message.
        given: The number.
        low: Least that it may be.
        high: Greatest that it may be.

    Raises:
        GameError: Something else, or out of the range.
    """
    array = numbers(what, given)
    if array.ndim or not low <= array <= high:
        shown = f"an array of shape {list(array.shape)}" if array.ndim else f"{float(array):g}"
        raise GameError(f"{what} a number from {low:g} to {high:g}, not {shown}")
    return float(array)


def whole(what: str, given: SupportsIndex, low: int, high: int | None = None) -> int:
    """One whole number in a closed range; arguments and errors as of `number`."""
    wanted = f"{low} or more" if high is None else f"{low} to {high}"
    try:
        found = None if isinstance(given, bool | np.bool_) else index(given)
    except TypeError:
        found = None
    if found is None or found < low or (high is not None and found > high):
        raise GameError(f"{what} a whole number, {wanted}, not {given!r}")
    return found


def check(payoffs: ArrayLike, *axes: str) -> Payoffs:
    """The payoffs as a float64 array ``[m, n, 2]`` or ``[N, m, n, 2]``.

    Args:
        payoffs: The payoffs.
        axes: Names of the axes of one game if they are others than ``m, n``.

    Raises:
        GameError: Not such a shape, no cell, or not real numbers. Their size is checked by
            ``blocks``, as the solvers read them, and by `finite`.
    """
    array = numbers("payoffs are", payoffs)
    named = ", ".join((*(axes or ("m", "n")), "2"))
    count = named.count(",") + 1
    if array.ndim not in (count, count + 1) or array.shape[-1] != 2 or 0 in array.shape[-count:]:
        raise GameError(f"payoffs have shape [{named}] or [N, {named}], not {list(array.shape)}")
    return array


def finite(payoffs: Payoffs) -> Payoffs:
    """Checked payoffs of any shape as they are.

    Raises:
        GameError: A payoff is not finite or beyond ``LIMIT``; the message names its place.
    """
    if not (np.abs(payoffs) <= LIMIT).all():
        place = np.argwhere(~(np.abs(payoffs) <= LIMIT))[0].tolist()
        raise GameError(
            f"the payoff at {place} is {payoffs[tuple(place)]}, not a finite number up to {LIMIT}"
        )
    return payoffs


def blocks(games_Nmn2: Payoffs) -> Iterator[tuple[slice, Payoffs]]:
    """The games in transposed blocks ``[m, n, 2, B]``, each with its place on the first axis.

    A block lies in a buffer that the next one overwrites; a single game stays where it is.

    Raises:
        GameError: A payoff is not finite or beyond ``LIMIT``; the message names its place.
    """
    count, *cell = games_Nmn2.shape
    size = max(1, BLOCK // (cell[0] * cell[1]))
    buffer = np.empty((*cell, min(size, count))) if count > 1 else games_Nmn2.transpose(1, 2, 3, 0)
    for start in range(0, count, size):
        place = slice(start, min(start + size, count))
        block = buffer[..., : place.stop - start]
        if count > 1:
            np.copyto(block, np.moveaxis(games_Nmn2[place], 0, -1))
        if not (block.max() <= LIMIT and block.min() >= -LIMIT):  # false if there is a NaN
            game, *where = np.argwhere(~(np.abs(games_Nmn2[place]) <= LIMIT))[0].tolist()
            raise GameError(
                f"game {start + game}: the payoff at [row, column, player] {where} is "
                f"{games_Nmn2[place][game, *where]}, not a finite number up to {LIMIT}"
            )
        yield place, block


def solve_blocks(payoffs: ArrayLike, kernel: Kernel, *cell: int | str, dtype: DTypeLike) -> Any:
    """Run a kernel over one game or a batch.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        kernel: Fills the result of one block.
        cell: Shape of one game's result; ``"m"`` and ``"n"`` stand for the game's own.
        dtype: Type of the result.

    Returns:
        Array ``[*cell]`` or ``[N, *cell]``.
    """
    array = check(payoffs)
    games_Nmn2 = array if array.ndim == 4 else array[None]
    count, m, n, _ = games_Nmn2.shape
    sizes = {"m": m, "n": n}
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in cell]
    result = np.empty((*shape, count), dtype)
    for place, block in blocks(games_Nmn2):
        kernel(block, result[..., place])
    return np.moveaxis(result, -1, 0) if array.ndim == 4 else result[..., 0]
