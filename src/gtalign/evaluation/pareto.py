"""Pareto measures on points (user welfare, LLM welfare), more being better on both axes.

The hypervolume is moocore's, which is exact. (The code released with GTAlign, arXiv 2510.08872,
adds up the first rectangle only.)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.game import TOLERANCE

Floats = NDArray[np.float64]


def hypervolume(points_n2: ArrayLike, worst: tuple[float, float] = (0.0, 0.0)) -> float:
    """Area that the points dominate above `worst`; points below it add nothing.

    Args:
        points_n2: Shape [N, 2].
        worst: Reference point, in the same units.

    Returns:
        A number, 0 for no points; units are those of the two axes multiplied.
    """
    points = np.asarray(points_n2, dtype=np.float64).reshape(-1, 2)
    if not len(points):
        return 0.0
    import moocore  # needs the extra `eval`

    return float(moocore.hypervolume(points, ref=worst, maximise=True))


def frontier(points_n2: ArrayLike) -> NDArray[np.bool_]:
    """Which of N points no other point dominates; equal points are all kept. Shape [N]."""
    points = np.asarray(points_n2, dtype=np.float64).reshape(1, -1, 2)
    return np.asarray(~_dominates(points)[0].any(axis=0), dtype=np.bool_)


def dominance(a_n2: ArrayLike, b_n2: ArrayLike) -> tuple[int, int]:
    """Number of questions on which a dominates b, and on which b dominates a.

    One point dominates another if it is at least as good on both axes and better on one, beyond
    the package's tolerance.

    Args:
        a_n2: One point a question, shape [N, 2].
        b_n2: The other model's points on the same questions, shape [N, 2].
    """
    pairs = np.stack([np.asarray(a_n2, np.float64), np.asarray(b_n2, np.float64)], axis=1)
    wins = _dominates(pairs.reshape(-1, 2, 2))
    return int(wins[:, 0, 1].sum()), int(wins[:, 1, 0].sum())


def coverage(points_qm2: ArrayLike) -> Floats:
    """Share of questions on which no other model dominates a model's point.

    Args:
        points_qm2: Shape [questions, models, 2].

    Returns:
        Shape [models]; not-a-number for no questions.
    """
    points = np.asarray(points_qm2, dtype=np.float64)
    if not len(points):
        return np.full(points.shape[1], np.nan)
    return np.asarray((~_dominates(points).any(axis=1)).mean(axis=0), dtype=np.float64)


def undominated(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The non-dominated points, without repetitions, by increasing first axis."""
    kept = frontier(list(points)).tolist()
    return sorted({point for point, keep in zip(points, kept, strict=True) if keep})


def _dominates(points_qm2: Floats) -> NDArray[np.bool_]:
    """[q, i, j]: on question q, point i dominates point j."""
    gain = points_qm2[:, :, None, :] - points_qm2[:, None, :, :]
    result = (gain >= -TOLERANCE).all(axis=-1) & (gain > TOLERANCE).any(axis=-1)
    return np.asarray(result, dtype=np.bool_)
