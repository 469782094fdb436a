"""Satisfaction: what annotators say of answers, and which measures of an answer predict it."""

from gtalign.evaluation.satisfaction.measures import Satisfaction, measure_satisfaction
from gtalign.evaluation.satisfaction.rated import Preference, Rated, RatedAnswer, Rating
from gtalign.evaluation.satisfaction.sheets import satisfaction_report

__all__ = [
    "Preference",
    "Rated",
    "RatedAnswer",
    "Rating",
    "Satisfaction",
    "measure_satisfaction",
    "satisfaction_report",
]
