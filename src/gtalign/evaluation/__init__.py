"""Measure models and compare them: metrics, statistics, and the report."""

from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.contrast import Contrast
from gtalign.evaluation.metrics import Metric, measure
from gtalign.evaluation.settings import EvalRun
from gtalign.evaluation.statistics import Interval, mean_ci

__all__ = ["Comparison", "Contrast", "EvalRun", "Interval", "Metric", "mean_ci", "measure"]
