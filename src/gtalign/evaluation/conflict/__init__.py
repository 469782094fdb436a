"""Do the interests of user and LLM differ in these answers?"""

from gtalign.evaluation.conflict.measures import Conflict, measure_conflict
from gtalign.evaluation.conflict.sheets import conflict_report

__all__ = ["Conflict", "conflict_report", "measure_conflict"]
