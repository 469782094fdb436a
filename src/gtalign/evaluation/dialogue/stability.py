"""Does the order of models stay if another kind of user plays? Simulated users are known to be
easy, and each in its own way."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gtalign.evaluation.dialogue.held import Conversations
from gtalign.evaluation.statistics import Floats


@dataclass(frozen=True, slots=True)
class Stability:
    """The order of models by one measure under each user.

    Args:
        measure: Name of the measure.
        models: The models.
        users: The users.
        means: Mean of each model with each user, shape [M, U], on the questions that all have.
        clusters: Number of sources of those questions.
        tau: Kendall's tau-b of the orders under two users; None if all models are equal there.
        concordance: Kendall's W of all orders, from 0 to 1; None likewise.
        same_best: Share of resamples of the questions in which one model is best under every user.
        same_order: Share in which the order is the same under every user.
    """

    measure: str
    models: tuple[str, ...]
    users: tuple[str, ...]
    means: Floats
    clusters: int
    tau: dict[tuple[str, str], float | None]
    concordance: float | None
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
        measure: Name of the measure; more has to be better.
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
    means = tops.sum(axis=2) / bottoms.sum(axis=2)
    best = order = 0
    for _ in range(resamples):
        drawn = rng.integers(len(shared), size=len(shared))
        again = tops[:, :, drawn].sum(axis=2) / bottoms[:, :, drawn].sum(axis=2)
        orders = np.argsort(-again, axis=0, kind="stable")
        best += bool((orders[0] == orders[0, 0]).all())
        order += bool((orders == orders[:, :1]).all())
    return Stability(
        measure=measure,
        models=models,
        users=users,
        means=means,
        clusters=len(shared),
        tau={
            (users[i], users[j]): _tau(means[:, i], means[:, j])
            for i, j in combinations(range(len(users)), 2)
        },
        concordance=kendalls_w(means.T),
        same_best=best / resamples,
        same_order=order / resamples,
    )


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


def _tau(one: Floats, other: Floats) -> float | None:
    from scipy.stats import kendalltau

    found = float(kendalltau(one, other).statistic)
    return None if np.isnan(found) else found


def _of(sums: tuple[list[str], Floats, Floats], part: int, shared: Sequence[str]) -> list[float]:
    place = {name: number for number, name in enumerate(sums[0])}
    values = sums[1] if part == 1 else sums[2]
    return [float(values[place[name]]) for name in shared]
