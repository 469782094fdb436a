"""What each model gets under each aggregate of the two welfares: the rewards, side by side.

A model that was trained on one aggregate should be best in that one. Each row of the table is an
aggregate, computed for every answer and averaged.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from gtalign.errors import DataError
from gtalign.evaluation.columns import Column, metric_columns
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.paper.scores import side_by_side, words
from gtalign.evaluation.paper.sheet import Report
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.rows import Rows
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.tables import label
from gtalign.reward import RewardConfig
from gtalign.reward.welfare import aggregate

AGGREGATES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "mutual": ("mutual: √(U L)", {"aggregate": "cobb_douglas"}),
    "linear": ("linear: (U + L) / 2", {"aggregate": "linear"}),
    "user": ("user: U", {"aggregate": "user"}),
    "llm": ("llm: L", {"aggregate": "llm"}),
    "ces-1": ("CES at -1: harmonic mean", {"aggregate": "ces", "rho": -1.0}),
    "ces-inf": ("CES at -∞: the lesser", {"aggregate": "ces", "rho": -np.inf}),
}
"""The aggregates by name, each with its label and the keys of a reward that choose it."""

BESIDE: Final = ("format", "right_action", "quality", "tokens")


def aggregated(name: str, user: Floats, llm: Floats) -> Floats:
    """One aggregate of N answers; not-a-number where either welfare is unknown."""
    return np.asarray(aggregate(user, llm, RewardConfig(**AGGREGATES[name][1])), np.float64)


def welfares(rows: Rows) -> tuple[Floats, Floats]:
    """U and L of all answers, shape [N]; not-a-number where unknown.

    Answers without a chain have no L with the chain's own terms: theirs is unknown.
    """
    columns = metric_columns(rows)
    return columns["user_welfare"].top, columns["llm_welfare"].top


def ablation(study: Study) -> Report:
    """The table of the rewards."""
    user, llm = welfares(study.rows)
    if np.isnan(user + llm).all():
        raise DataError("no answer has the welfare of both sides: run `gtalign score` on the files")
    columns = {name: Column(aggregated(name, user, llm), range=(0, 1)) for name in AGGREGATES}
    known = metric_columns(study.rows)
    columns |= {name: known[name] for name in BESIDE}
    labels = {name: shown for name, (shown, _) in AGGREGATES.items()}
    labels |= {name: label(metrics()[name]) for name in BESIDE}
    digits = dict.fromkeys(AGGREGATES, 3) | {name: metrics()[name].digits for name in BESIDE}
    sheets, sentences = [], []
    for group in (group for group in study.groups if group.task is None):
        named = f"ablation-{group.split or 'all'}"
        shown, found = side_by_side(study, group, columns, labels, digits, named)
        sheets += shown
        sentences += words(study, found, group.name, "mutual", "√(U L)")
        sentences += words(study, found, group.name, "ces-inf", "min(U, L)")
    return Report("ablation", "What each reward gives", sentences, sheets)
