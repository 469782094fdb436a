"""The tasks by name."""

from collections.abc import Mapping

from gtalign.tasks.ambiguity import AMBIGUITY
from gtalign.tasks.math import MATH
from gtalign.tasks.safety import SAFETY
from gtalign.tasks.task import Task, same_on_both_sides
from gtalign.tasks.writing import WRITING

__all__ = ["DIRECT", "TASKS", "task_named"]

TASKS: Mapping[str, Task] = {
    "math-hard": MATH,
    "minerva": MATH,
    "medium": WRITING,
    "wildguard": SAFETY,
    "advbench": SAFETY,
    "ambig_qa": AMBIGUITY,
    "abg-coqa": AMBIGUITY,
}
"""The published tasks; keys are the values of ``data_source``."""

DIRECT = Task("direct", top=1.0, paper=same_on_both_sides, released=same_on_both_sides)
"""A task whose judge already gives the quality, in [0, 1]."""


def task_named(name: str) -> Task:
    """Return the task of this name; one that is not published is graded by its judge alone."""
    return TASKS.get(name, DIRECT)
