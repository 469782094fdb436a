"""Pareto measures on points (user welfare, LLM welfare), more being better on both axes.

Frontiers, hypervolume and the additive epsilon are moocore's, which are exact. (The code released
with GTAlign, arXiv 2510.08872, adds up the first rectangle of the hypervolume only.)

*Ties.* Numbers that differ by no more than the package's tolerance of 1e-9 are equal: frontiers are
those of points rounded to nine decimals, so that rounding errors make no point dominate another.

*Reference point.* The hypervolume is the area above (0, 0): there both welfares, and so W, are 0.

There are two kinds of measures. Those of *sets* put all points of a model together, whatever
question they belong to: the frontier, `hypervolume`, `covered`, `additive_epsilon`, `best_given`.
They say how far the best answers reach. Those *by question* compare the models on each question,
where the joint frontier is that of their points on it: `dominance`, `coverage`, `regret`,
`preference_regret`. Every function refuses numbers that are not finite.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import DataError
from gtalign.game import TOLERANCE

Floats = NDArray[np.float64]
_DECIMALS = 9  # those of the tolerance
_STEPS = 32  # preferences computed at once


def hypervolume(points_n2: ArrayLike, worst: tuple[float, float] = (0.0, 0.0)) -> float:
    """Area that the points dominate above `worst`; points below it add nothing.

    Source: Zitzler and Thiele, "Multiobjective optimization using evolutionary algorithms" (1998).

    Args:
        points_n2: Shape [N, 2].
        worst: Reference point, in the same units.

    Returns:
        A number, 0 for no points; units are those of the two axes multiplied.

    Raises:
        DataError: A number is not finite.
    """
    points = _points(points_n2)
    if not len(points):
        return 0.0
    import moocore  # needs the extra `eval`

    return float(moocore.hypervolume(points, ref=worst, maximise=True))


def frontier(points_n2: ArrayLike) -> NDArray[np.bool_]:
    """Which of N points no other point dominates; equal points are all kept. Shape [N].

    Raises:
        DataError: A number is not finite.
    """
    points = _points(points_n2)
    if not len(points):
        return np.zeros(0, dtype=np.bool_)
    import moocore  # needs the extra `eval`

    rounded = np.round(points, _DECIMALS)
    return np.asarray(moocore.is_nondominated(rounded, maximise=True, keep_weakly=True), np.bool_)


def joint_frontier(sets: Sequence[ArrayLike]) -> Floats:
    """The frontier of all points of several sets together, by increasing first axis.

    A point that several sets have counts once. Shape [F, 2], empty for no points.
    """
    together = np.concatenate([_points(points) for points in sets] or [np.empty((0, 2))])
    kept = np.round(together[frontier(together)], _DECIMALS)
    return np.asarray(np.unique(kept, axis=0), dtype=np.float64)


def covered(points_n2: ArrayLike, frontier_f2: ArrayLike, epsilon: float = 0.0) -> float:
    """Share of a frontier's points that a set reaches.

    A set reaches a point if one of its own points is at least as good on both axes, less `epsilon`.
    With epsilon 0 and a joint frontier this is the share of it that the set has itself; sets with
    common points add up to more than 1. Source: the coverage of two sets of Zitzler and Thiele
    (1998), with the additive epsilon-dominance of Laumanns and others (2002).

    Args:
        points_n2: The set, shape [N, 2].
        frontier_f2: The frontier, shape [F, 2].
        epsilon: What may be missing on each axis, in their unit; at least 0.

    Returns:
        A share; not-a-number for an empty frontier.

    Raises:
        DataError: A number is not finite, or `epsilon` is negative.
    """
    goals = _points(frontier_f2)
    slack = _slack(epsilon)
    if not len(goals):
        return float("nan")
    best = best_given(points_n2, goals[:, 1] - epsilon, of="user")
    return float((best >= goals[:, 0] - slack).mean())  # not-a-number reaches nothing


def additive_epsilon(points_n2: ArrayLike, frontier_f2: ArrayLike) -> float:
    """The least number that, added to both axes of all points of a set, makes it reach a frontier.

    0 if it does already; never negative for a joint frontier. Source: Zitzler, Thiele, Laumanns,
    Fonseca and Grunert da Fonseca, "Performance assessment of multiobjective optimizers" (2003).

    Returns:
        A number in the unit of the axes; not-a-number if either is empty.

    Raises:
        DataError: A number is not finite.
    """
    points, goals = _points(points_n2), _points(frontier_f2)
    if not len(points) or not len(goals):
        return float("nan")
    import moocore  # needs the extra `eval`

    own = points[frontier(points)]  # the rest is no nearer, and the time is that of all pairs
    found = float(moocore.epsilon_additive(own, ref=goals, maximise=True))
    return 0.0 if abs(found) <= TOLERANCE else found


def best_given(
    points_n2: ArrayLike, levels_t: ArrayLike, of: Literal["user", "llm"] = "user"
) -> Floats:
    """The best welfare of one side among the points that give the other side at least t.

    Args:
        points_n2: Shape [N, 2].
        levels_t: The values of t, shape [T], in any order.
        of: Whose welfare is the best one: ``user`` for the best U with L >= t.

    Returns:
        Shape [T]; not-a-number where no point reaches t.

    Raises:
        DataError: A number is not finite.
    """
    points = _points(points_n2)
    best, given = (0, 1) if of == "user" else (1, 0)
    order = np.argsort(points[:, given], kind="stable")
    most = np.maximum.accumulate(points[order, best][::-1])[::-1]
    levels = np.asarray(levels_t, np.float64)
    if not np.isfinite(levels).all():
        raise DataError("the levels of a curve have to be finite numbers")
    places = np.searchsorted(points[order, given], levels - TOLERANCE)
    return np.append(most, np.nan)[places]


def dominance(a_n2: ArrayLike, b_n2: ArrayLike) -> tuple[int, int]:
    """Number of questions on which a dominates b, and on which b dominates a.

    One point dominates another if it is at least as good on both axes and better on one, beyond
    the package's tolerance. On the other questions the points are equal, or each is better for one
    side.

    Args:
        a_n2: One point a question, shape [N, 2].
        b_n2: The other model's points on the same questions, shape [N, 2].

    Raises:
        DataError: A number is not finite, or there are not as many points.
    """
    a, b = _points(a_n2), _points(b_n2)
    if a.shape != b.shape:
        raise DataError(f"{len(a)} points cannot be compared with {len(b)}: one each a question")
    wins = dominated(np.stack([a, b], axis=1))
    return int(wins[:, 0, 1].sum()), int(wins[:, 1, 0].sum())


def coverage(points_qm2: ArrayLike, epsilon: float = 0.0) -> Floats:
    """Share of questions on which no other model dominates a model's point.

    With an `epsilon`, the share on which a point is within it of the question's joint frontier:
    its `regret` is no larger.

    Args:
        points_qm2: Shape [questions, models, 2].
        epsilon: What may be missing on both axes; at least 0.

    Returns:
        Shape [models]; not-a-number for no questions.
    """
    points = _by_question(points_qm2)
    if not len(points):
        return np.full(points.shape[1], np.nan)
    return np.asarray(undominated_by_question(points, epsilon).mean(axis=0), dtype=np.float64)


def undominated_by_question(points_qm2: ArrayLike, epsilon: float = 0.0) -> NDArray[np.bool_]:
    """[q, m]: on question q, no other model dominates model m, or only by up to `epsilon`."""
    points = _by_question(points_qm2)
    free = ~dominated(points).any(axis=1)
    if _slack(epsilon) > TOLERANCE:
        free |= regret(points) <= epsilon + TOLERANCE
    return np.asarray(free, dtype=np.bool_)


def regret(points_qm2: ArrayLike) -> Floats:
    """How far each point lies below its question's joint frontier: [q, m], at least 0.

    It is the most that *both* sides could gain at once by the answer of another model:
    max over models j of min over sides s of (p[j, s] - p[m, s]), or 0. So it is 0 for a point on
    the frontier, and for one that another model beats on one side only. It is the additive epsilon
    of a single point (see `additive_epsilon`).
    """
    points = _by_question(points_qm2)
    least = (points[:, :, None, :] - points[:, None, :, :]).min(axis=-1)  # [q, j, m]
    lost: Floats = np.maximum(least.max(axis=1, initial=0.0), 0.0)
    return lost


def preference_regret(points_qm2: ArrayLike, weights_w: ArrayLike) -> Floats:
    """What each model loses to the best one of each question, averaged over linear preferences.

    A preference w values a point at w U + (1 - w) L. Source: the expected utility of a frontier
    under a distribution of preferences (Hayes and others, "A practical guide to multi-objective
    reinforcement learning and planning", 2022).

    Args:
        points_qm2: Shape [questions, models, 2].
        weights_w: Weights of the user's welfare, each between 0 and 1, shape [W], one or more.

    Returns:
        Shape [questions, models], at least 0, in the unit of the welfare.

    Raises:
        DataError: A number is not finite, or a weight is outside 0 to 1.
    """
    points = _by_question(points_qm2)
    weights = np.asarray(weights_w, np.float64).reshape(-1)
    if not len(weights) or not ((weights >= 0) & (weights <= 1)).all():
        raise DataError("preferences are one or more weights of the user between 0 and 1")
    user_qm, llm_qm = points[..., 0], points[..., 1]
    lost = np.zeros(user_qm.shape)
    for start in range(0, len(weights), _STEPS):
        w = weights[start : start + _STEPS, None, None]
        value_wqm = w * user_qm + (1 - w) * llm_qm
        lost += (value_wqm.max(axis=2, keepdims=True) - value_wqm).sum(axis=0)
    return np.asarray(lost / len(weights), dtype=np.float64)


def undominated(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The non-dominated points, without repetitions, by increasing first axis."""
    kept = frontier(list(points)).tolist()
    return sorted({point for point, keep in zip(points, kept, strict=True) if keep})


def dominated(points_qm2: Floats) -> NDArray[np.bool_]:
    """[q, i, j]: on question q, point i dominates point j."""
    gain = points_qm2[:, :, None, :] - points_qm2[:, None, :, :]
    result = (gain >= -TOLERANCE).all(axis=-1) & (gain > TOLERANCE).any(axis=-1)
    return np.asarray(result, dtype=np.bool_)


def _points(points_n2: ArrayLike) -> Floats:
    return _finite(np.asarray(points_n2, dtype=np.float64).reshape(-1, 2))


def _by_question(points_qm2: ArrayLike) -> Floats:
    points = np.asarray(points_qm2, dtype=np.float64)
    if points.ndim != 3 or points.shape[-1] != 2:
        raise DataError(f"points by question have the shape [questions, models, 2]: {points.shape}")
    return _finite(points)


def _finite(points: Floats) -> Floats:
    if not np.isfinite(points).all():
        raise DataError("a point has a welfare that is unknown or infinite; leave its question out")
    return points


def _slack(epsilon: float) -> float:
    if not 0 <= epsilon < np.inf:
        raise DataError(f"epsilon has to be 0 or a positive number, not {epsilon}")
    return epsilon + TOLERANCE
