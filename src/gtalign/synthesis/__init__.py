"""The cold start: chains written by teachers, judged, and the best of them kept."""

from gtalign.synthesis.candidates import Candidates
from gtalign.synthesis.counterfactuals import Counterfactual, counterfactual
from gtalign.synthesis.drills import Drill, drill
from gtalign.synthesis.examples import Example, Pair, read_examples, read_preferences
from gtalign.synthesis.outcome import ColdStart, finish
from gtalign.synthesis.run import count_questions, write_candidates
from gtalign.synthesis.selection import Entry, select
from gtalign.synthesis.settings import ColdStartConfig, SelectionSettings, TeacherSettings
from gtalign.synthesis.teacher import ChainWriter

__all__ = [
    "Candidates",
    "ChainWriter",
    "ColdStart",
    "ColdStartConfig",
    "Counterfactual",
    "Drill",
    "Entry",
    "Example",
    "Pair",
    "SelectionSettings",
    "TeacherSettings",
    "count_questions",
    "counterfactual",
    "drill",
    "finish",
    "read_examples",
    "read_preferences",
    "select",
    "write_candidates",
]
