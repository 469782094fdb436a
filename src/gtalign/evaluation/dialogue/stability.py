"""Does the order of models stay if another kind of user plays? Simulated users are known to be
easy, and each in its own way."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.dialogue.held import Conversations
from gtalign.evaluation.statistics import Floats, Interval
from gtalign.game import TOLERANCE


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether two models keep their order.

    Args:
        models: The two, first the one that is ahead by its mean over the users.
        ahead: By user, the mean of the first less that of the second.
        share: By user, the share of resamples in which the first is ahead.
        kept: Share of resamples in which the two have the same order under every user.
    """

    models: tuple[str, str]
    ahead: dict[str, Interval]
    share: dict[str, float]
    kept: float


@dataclass(frozen=True, slots=True)
class Stability:
    """The order of models by one measure under each user.

    Intervals are percentiles over the resamples of the sources.

    Args:
        measure: Name of the measure.
        models: The models.
        users: The users.
        means: Mean of each model with each user, shape [M, U], on the questions that all have.
        clusters: Number of sources of those questions.
        tau: Kendall's tau-b of the orders under two users; its value is None if all models are
            equal under one of them.
        concordance: Kendall's W of all orders, from 0 to 1; None likewise.
        pairs: Every two models.
        same_best: Share of resamples of the questions in which one model is best under every user.
        same_order: Share in which the order is the same under every user.
    """

    measure: str
    models: tuple[str, ...]
    users: tuple[str, ...]
    means: Floats
    clusters: int
    tau: dict[tuple[str, str], Interval]
    concordance: float | None
    pairs: tuple[Kept, ...]
    same_best: float
    same_order: float


def stability(
    found: Conversations,
    measure: str,
    rng: np.random.Generator,
    *,
    arm: str = "ask",
    resamples: int = 1000,
) -> Stability | None:
    """Compare the orders of models under the users; None for fewer than two of either.

    Only sources of questions that every model has with every user count.

    Args:
        found: The conversations.
        measure: Name of the measure; a mean over conversations of which more is better.
        rng: Source of the resamples.
        arm: The arm.
        resamples: Number of bootstrap resamples of the sources.
    """
    models, users = found.models, found.users
    if len(models) < 2 or len(users) < 2:
        return None
    sums = {(m, u): found.sums(m, u, arm, measure) for m in models for u in users}
    shared = sorted(set.intersection(*(set(names) for names, _, _ in sums.values())))
    if not shared:
        return None
    tops, bottoms = (
        np.array([[_of(sums[m, u], part, shared) for u in users] for m in models])
        for part in (1, 2)
    )  # [M, U, G]
    count = len(shared)
    drawn = rng.integers(count, size=(resamples, count))
    often = np.array([np.bincount(row, minlength=count) for row in drawn])  # [R, G]
    means = tops.sum(axis=2) / bottoms.sum(axis=2)
    again = (tops @ often.T) / (bottoms @ often.T)  # [M, U, R]
    orders = np.argsort(-again, axis=0, kind="stable")
    same = orders == orders[:, :1]

    def reach(value: float | None, values: Floats) -> Interval:
        if value is None or count < 2 or np.isnan(values).all():
            return Interval(value, None, None, count, count)
        low, high = np.nanquantile(values, (0.025, 0.975))
        return Interval(value, float(low), float(high), count, count)

    def kept(one: int, other: int) -> Kept:
        first, second = (one, other) if means[one].mean() >= means[other].mean() else (other, one)
        ahead, resampled = means[first] - means[second], again[first] - again[second]
        signs = _signs(resampled)
        return Kept(
            models=(models[first], models[second]),
            ahead={u: reach(float(ahead[n]), resampled[n]) for n, u in enumerate(users)},
            share={u: float((signs[n] > 0).mean()) for n, u in enumerate(users)},
            kept=float((signs == signs[:1]).all(axis=0).mean()),
        )

    return Stability(
        measure=measure,
        models=models,
        users=users,
        means=means,
        clusters=count,
        tau={
            (users[i], users[j]): reach(
                _known(kendalls_tau(means[:, i], means[:, j])),
                kendalls_tau(again[:, i], again[:, j]),
            )
            for i, j in combinations(range(len(users)), 2)
        },
        concordance=kendalls_w(means.T),
        pairs=tuple(kept(one, other) for one, other in combinations(range(len(models)), 2)),
        same_best=float(same[0].all(axis=0).mean()),
        same_order=float(same.all(axis=(0, 1)).mean()),
    )


def kendalls_tau(one: Floats, other: Floats) -> Floats:
    """Kendall's tau-b of two orders (Kendall 1945); not-a-number where one ties all.

    Args:
        one: Scores of the items, shape [M, ...].
        other: Other scores of them, of the same shape.

    Returns:
        From -1 to 1, shape [...].
    """
    i, j = np.triu_indices(len(one), 1)
    x, y = _signs(one[i] - one[j]), _signs(other[i] - other[j])
    scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    tau: Floats = np.divide(
        (x * y).sum(axis=0), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0
    )
    return tau


def kendalls_w(scores: Floats) -> float | None:
    """Kendall's coefficient of concordance, corrected for ties (Kendall and Smith 1939).

    Args:
        scores: Shape [raters, items].

    Returns:
        From 0, no agreement, to 1; None for fewer than two items, or if every rater ties all.
    """
    from scipy.stats import rankdata  # of the extra `eval`

    raters, items = scores.shape
    if items < 2:
        return None
    ranks = np.apply_along_axis(rankdata, 1, scores)
    ties = sum(
        float(((counts := np.unique(row, return_counts=True)[1]) ** 3 - counts).sum())
        for row in ranks
    )
    spread = 12 * float(np.square(ranks.sum(axis=0) - raters * (items + 1) / 2).sum())
    most = raters**2 * (items**3 - items) - raters * ties
    return spread / most if most > 0 else None


def _signs(differences: Floats) -> NDArray[np.float64]:
    """The sign of each difference; 0 within the tolerance of ties."""
    return np.where(np.abs(differences) <= TOLERANCE, 0.0, np.sign(differences))


def _known(value: Floats) -> float | None:
    return None if np.isnan(value) else float(value)


def _of(sums: tuple[list[str], Floats, Floats], part: int, shared: Sequence[str]) -> list[float]:
    place = {name: number for number, name in enumerate(sums[0])}
    values = sums[1] if part == 1 else sums[2]
    return [float(values[place[name]]) for name in shared]
