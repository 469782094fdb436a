"""The cold start: chains written by teachers, judged, and the best of them kept."""

from gtalign.data.coldstart.candidates import Candidates
from gtalign.data.coldstart.run import ColdStart, count_questions, finish, write_candidates
from gtalign.data.coldstart.selection import Entry, select
from gtalign.data.coldstart.settings import ColdStartConfig, SelectionSettings, TeacherSettings
from gtalign.data.coldstart.teacher import ChainWriter, Teacher

__all__ = [
    "Candidates",
    "ChainWriter",
    "ColdStart",
    "ColdStartConfig",
    "Entry",
    "SelectionSettings",
    "Teacher",
    "TeacherSettings",
    "count_questions",
    "finish",
    "select",
    "write_candidates",
]
