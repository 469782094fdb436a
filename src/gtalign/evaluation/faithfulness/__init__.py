"""Faithfulness: whether the rest of a chain follows its payoff matrix, also after an edit."""

from gtalign.evaluation.faithfulness.answers import Subject, answer_edits
from gtalign.evaluation.faithfulness.edits import EDITS, EditRule, Grid
from gtalign.evaluation.faithfulness.measures import Faithfulness, measure_faithfulness
from gtalign.evaluation.faithfulness.settings import FaithfulnessRun, FaithfulnessSettings

__all__ = [
    "EDITS",
    "EditRule",
    "Faithfulness",
    "FaithfulnessRun",
    "FaithfulnessSettings",
    "Grid",
    "Subject",
    "answer_edits",
    "measure_faithfulness",
]
