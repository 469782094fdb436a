"""The cold start: chains written by teachers, judged, and the best of them kept."""

from gtalign.synthesis.candidates import Candidates
from gtalign.synthesis.examples import Example, read_examples
from gtalign.synthesis.outcome import ColdStart, finish
from gtalign.synthesis.run import count_questions, write_candidates
from gtalign.synthesis.selection import Entry, select
from gtalign.synthesis.settings import ColdStartConfig, SelectionSettings, TeacherSettings
from gtalign.synthesis.teacher import ChainWriter, Teacher

__all__ = [
    "Candidates",
    "ChainWriter",
    "ColdStart",
    "ColdStartConfig",
    "Entry",
    "Example",
    "SelectionSettings",
    "Teacher",
    "TeacherSettings",
    "count_questions",
    "finish",
    "read_examples",
    "select",
    "write_candidates",
]
