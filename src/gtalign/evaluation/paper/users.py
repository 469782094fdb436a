"""The table on users: does the order of models stay over the kinds of simulated user?"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from gtalign.dialogue.measures import MEASURES
from gtalign.drawing import fixed
from gtalign.errors import DataError
from gtalign.evaluation.dialogue.held import Conversations
from gtalign.evaluation.dialogue.stability import Stability, stability
from gtalign.evaluation.paper.conversations import held, lines_of, numbers_of, said
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet
from gtalign.evaluation.paper.study import Study

TITLE: Final = "Does the order of models stay over the kinds of user?"
RANKED: Final = ("goal", "quality", "satisfied", "welfare")
"""Measures by which models are put in order: means over conversations of which more is better."""

_NOTE: Final = "In the arm ask, on the questions that every model has with every user."


def users(study: Study) -> Report:
    """The table: models by user, tau between users, and how often two models keep their order."""
    return users_report(Conversations.read(held(study)), study.seed, study.resamples)


def users_report(found: Conversations, seed: int = 0, resamples: int = 1000) -> Report:
    """Make the table.

    Args:
        found: The conversations.
        seed: Seed of the resamples of the questions.
        resamples: Number of resamples.

    Raises:
        DataError: There are fewer than two models or users, or no question is common to all.
    """
    if len(found.models) < 2 or len(found.users) < 2:
        raise DataError(
            f"{len(found.models)} models and {len(found.users)} users: an order needs two of both;"
            " gtalign converse plays each model with each user"
        )
    rng = np.random.default_rng(seed)
    orders = [stability(found, name, rng, resamples=resamples) for name in RANKED]
    known = [one for one in orders if one is not None]
    if not known:
        raise DataError("no question that every model has with every user in the arm ask")
    sheets = [_means(found, known), _taus(found, known), _pairs(found, known)]
    return Report("users", TITLE, [*map(_sentence, known), *_alone(found)], sheets)


def _sentence(one: Stability) -> str:
    label, unsure = MEASURES[one.measure].label, [pair for pair in one.pairs if pair.kept < 0.95]
    taus = [f"{a} and {b} {said(tau)}" for (a, b), tau in one.tau.items()]
    told = f"all {len(one.pairs)} pairs of models keep their order in 95% of resamples or more"
    if unsure:
        worst = min(unsure, key=lambda pair: pair.kept)
        told = (
            f"{len(one.pairs) - len(unsure)} of {len(one.pairs)} pairs of models keep their order"
            f" in 95% of resamples; {' and '.join(worst.models)} in {_percent(worst.kept)}"
        )
    return f"{label} on {one.clusters} sources: Kendall's tau {', '.join(taus)}; {told}."


def _alone(found: Conversations) -> Iterator[str]:
    kinds = set(found.kinds.values())
    if len(kinds) == 1 and "" not in kinds:
        yield f"All users are of one kind, {kinds.pop()}: nothing is said about other kinds."


def _named(found: Conversations, user: str) -> str:
    kind = found.kinds.get(user, "")
    return user if kind in ("", user) else f"{user} ({kind})"


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 0)}%"


def _means(found: Conversations, orders: Sequence[Stability]) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in orders:
        for model in one.models:
            values = [found.interval(model, user, "ask", one.measure) for user in one.users]
            label = f"{MEASURES[one.measure].label}: {model}"
            rows.append([(label,), *map(lines_of, values)])
            records += [
                {
                    "measure": one.measure,
                    "model": model,
                    "user": user,
                    "kind": found.kinds.get(user, ""),
                    **numbers_of(value),
                }
                for user, value in zip(one.users, values, strict=True)
            ]
    head = ["", *(_named(found, user) for user in found.users)]
    notes = ["Each model on all its conversations in the arm ask, with its 95% interval."]
    return Sheet("users-means", "The models with each user", head, rows, records, notes)


def _taus(found: Conversations, orders: Sequence[Stability]) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for a, b in orders[0].tau:
        values = [one.tau[a, b] for one in orders]
        name = f"tau, {_named(found, a)} and {_named(found, b)}"
        rows.append([(name,), *map(lines_of, values)])
        records += [
            {"figure": "tau", "users": [a, b], "measure": one.measure, **numbers_of(value)}
            for one, value in zip(orders, values, strict=True)
        ]
    figures: dict[str, list[float | None]] = {
        "Kendall's W of all users": [one.concordance for one in orders],
        "same best model, share of resamples": [one.same_best for one in orders],
        "same order, share of resamples": [one.same_order for one in orders],
    }
    for name, numbers in figures.items():
        rows.append([(name,), *((fixed(value, 2),) for value in numbers)])
        records += [
            {"figure": name, "measure": one.measure, "value": value}
            for one, value in zip(orders, numbers, strict=True)
        ]
    head = ["", *(MEASURES[one.measure].label for one in orders)]
    notes = [_NOTE, "Kendall's tau-b: 1 for the same order, -1 for the reverse."]
    return Sheet("users-orders", "Orders under two users", head, rows, records, notes)


def _pairs(found: Conversations, orders: Sequence[Stability]) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in orders:
        for pair in one.pairs:
            first, second = pair.models
            label = f"{MEASURES[one.measure].label}: {first} before {second}"
            cells = [
                (*lines_of(pair.ahead[user], sign=True), _percent(pair.share[user]))
                for user in one.users
            ]
            rows.append([(label,), (_percent(pair.kept),), *cells])
            records += [
                {
                    "measure": one.measure,
                    "models": [first, second],
                    "user": user,
                    "kept": pair.kept,
                    "share": pair.share[user],
                    **numbers_of(pair.ahead[user]),
                }
                for user in one.users
            ]
    head = ["", "kept", *(_named(found, user) for user in found.users)]
    notes = [
        _NOTE,
        "By user: how far the first model is ahead, its 95% interval, and the share of resamples of"
        " the questions in which it is ahead. Kept: the share in which the two have one order"
        " under every user.",
    ]
    return Sheet("users-pairs", "Do two models keep their order?", head, rows, records, notes)
