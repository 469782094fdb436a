"""All extreme Nash equilibria of a bimatrix game, including degenerate games.

A mixed action that makes the other player's best-response payoff as small as its neighbours allow
is a vertex of a polytope: a pure action, or one at which enough of the other's actions tie. A pair
of vertices is an equilibrium if each puts weight on best responses to the other alone. Every Nash
equilibrium is a convex combination of such *extreme* ones, and there are finitely many (Avis,
Rosenberg, Savani and von Stengel, "Enumeration of Nash equilibria for two-player games", 2010).

Two methods, for two needs. One game is solved in rational arithmetic, for any m and n. A batch of
2 x n or m x 2 games is solved in ``gtalign.game.vertices`` by signs of cross products.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from operator import mul

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.game.arrays import Payoffs, blocks, check
from gtalign.game.form import TOLERANCE
from gtalign.game.vertices import mixed_actions, vertex_pairs

Matrix = list[list[int]]
Mixed = tuple[int, ...]
"""Probabilities times the least number that makes all of them whole."""

GRID = 2 * TOLERANCE
"""Exact methods read payoffs to the nearest multiple of this, which makes ties transitive:
multiples are equal, or differ by more than the tolerance."""

PER_ONE = round(1 / GRID)


@dataclass(frozen=True, eq=False)
class Equilibria:
    """Extreme equilibria of one or several games, each once, in order of their game.

    Attributes:
        game: Number of the game of each equilibrium, integer ``[E]``; zeros for a single game.
        user: The user's probabilities, ``[E, m]``.
        llm: The LLM's probabilities, ``[E, n]``.
    """

    game: NDArray[np.intp]
    user: Payoffs
    llm: Payoffs

    def __len__(self) -> int:
        return len(self.game)

    def of(self, game: int) -> "Equilibria":
        """The equilibria of one game of the batch."""
        start, stop = np.searchsorted(self.game, [game, game + 1])
        return Equilibria(self.game[start:stop], self.user[start:stop], self.llm[start:stop])


def equilibria(payoffs: ArrayLike) -> Equilibria:
    """All extreme Nash equilibria of one game ``[m, n, 2]`` or of a batch ``[N, m, n, 2]``.

    One game, and every game of a batch with m, n >= 3 or with a player of one action, is solved
    exactly for payoffs read to the nearest ``GRID``; the work grows with binomial(m + n, m). A
    batch of 2 x n or m x 2 games is solved in floating point with ``TOLERANCE``, which is exact
    for payoffs of a few decimals and digits.

    Raises:
        GameError: Another shape, or a payoff that is not finite.
    """
    array = check(payoffs)
    if array.ndim == 4 and 2 in array.shape[1:3] and 1 not in array.shape[1:3]:
        return Equilibria(*mixed_actions(array, vertex_pairs(array)))
    games_Nmn2 = array if array.ndim == 4 else array[None]
    found = [
        (game, user, llm)
        for place, block in blocks(games_Nmn2)
        for game in range(place.start, place.stop)
        for user, llm in _exact(block[..., game - place.start])
    ]
    m, n = array.shape[-3:-1]
    return Equilibria(
        np.array([game for game, _, _ in found], np.intp),
        np.array([[p / sum(user) for p in user] for _, user, _ in found]).reshape(-1, m),
        np.array([[p / sum(llm) for p in llm] for _, _, llm in found]).reshape(-1, n),
    )


def snap(payoffs: Payoffs) -> Payoffs:
    """The payoffs at the nearest multiples of ``GRID``; very large ones are multiples as is."""
    fine = np.abs(payoffs) < GRID * 2**52
    # Divided by a whole number, so that a decimal payoff comes out as the float it was.
    return np.where(fine, np.round(np.where(fine, payoffs, 0) * PER_ONE) / PER_ONE, payoffs)


def _exact(payoffs_mn2: Payoffs) -> list[tuple[Mixed, Mixed]]:
    """Extreme equilibria of one game in whole numbers."""
    ticks = [[[ticks_of(v) for v in cell] for cell in row] for row in payoffs_mn2.tolist()]
    user = [[cell[0] for cell in row] for row in ticks]
    llm_by_column = [[row[j][1] for row in ticks] for j in range(len(ticks[0]))]
    # The *other* player's payoffs decide about a player's mixture; each row is an answer.
    user_vertices = list(_vertices(llm_by_column))
    llm_vertices = list(_vertices(user))
    return [
        (x, y)
        for x, used_by_x, answers_to_x in user_vertices
        for y, used_by_y, answers_to_y in llm_vertices
        if used_by_y <= answers_to_x and used_by_x <= answers_to_y
    ]


def _vertices(answers: Matrix) -> Iterator[tuple[Mixed, frozenset[int], frozenset[int]]]:
    """Vertices of a player's best-response polytope, their actions, and the other's best answers.

    Args:
        answers: The other player's payoffs, ``answers[a][i]`` for answer a to own action i.
    """
    own = len(answers[0])
    seen: set[Mixed] = set()
    for i in range(own):
        values = [row[i] for row in answers]
        best = max(values)
        yield (
            (0,) * i + (1,) + (0,) * (own - i - 1),
            frozenset((i,)),
            frozenset(a for a, v in enumerate(values) if v == best),
        )
    for size in range(2, min(own, len(answers)) + 1):
        for support in combinations(range(own), size):
            for tied in combinations(range(len(answers)), size):
                weights = equalise([[answers[a][i] for i in support] for a in tied])
                if weights is None or min(weights) <= 0:
                    continue
                mixed = [0] * own
                for i, weight in zip(support, weights, strict=True):
                    mixed[i] = weight
                vertex = tuple(mixed)
                if vertex in seen:
                    continue
                values = [sum(map(mul, vertex, row)) for row in answers]
                best = max(values)
                if values[tied[0]] == best:
                    seen.add(vertex)
                    used, found = frozenset(support), enumerate(values)
                    yield vertex, used, frozenset(a for a, v in found if v == best)


def equalise(rows: Matrix) -> Mixed | None:
    """The only weights that give all rows the same value, scaled as ``Mixed``; None if several."""
    size = len(rows)
    if size == 1:
        return (1,)
    if size == 2:
        (a, b), (c, d) = rows
        first, second = d - b, a - c
        divisor = math.gcd(first, second) * (-1 if first + second < 0 else 1)
        return (first // divisor, second // divisor) if first + second else None
    system = [[Fraction(1)] * (size + 1)]
    system += [
        [Fraction(a - b) for a, b in zip(row, rows[0], strict=True)] + [Fraction(0)]
        for row in rows[1:]
    ]
    for column in range(size):
        pivot = next((r for r in range(column, size) if system[r][column]), None)
        if pivot is None:
            return None
        system[column], system[pivot] = system[pivot], system[column]
        scale = system[column][column]
        system[column] = [value / scale for value in system[column]]
        for r in range(size):
            if r != column and (factor := system[r][column]):
                system[r] = [
                    value - factor * lead
                    for value, lead in zip(system[r], system[column], strict=True)
                ]
    weights = [row[-1] for row in system]
    whole = math.lcm(*(weight.denominator for weight in weights))
    return tuple(int(weight * whole) for weight in weights)


def ticks_of(payoff: float) -> int:
    """A payoff to the nearest multiple of ``GRID``, as the number of the multiple."""
    numerator, denominator = payoff.as_integer_ratio()
    return (2 * numerator * PER_ONE + denominator) // (2 * denominator)
