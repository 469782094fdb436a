"""The tasks by name."""

from collections.abc import Mapping

from gtalign.errors import ConfigError
from gtalign.tasks.ambiguity import AMBIGUITY
from gtalign.tasks.math import MATH
from gtalign.tasks.safety import SAFETY
from gtalign.tasks.task import Task, same_on_both_sides
from gtalign.tasks.writing import WRITING

__all__ = ["DIRECT", "NO_TASK", "TASKS", "known_tasks", "register", "task_named"]

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


NO_TASK = "direct"
"""The task of answers that name none, such as plain chat logs."""

_OWN: dict[str, Task] = {}


def register(name: str, task: Task) -> None:
    """Add a task of your own, for this process.

    Args:
        name: The value of ``data_source`` of its questions.
        task: What quality means for it.

    Raises:
        ConfigError: A published task has this name, or another task was registered under it.
    """
    if name in TASKS or name == NO_TASK:
        raise ConfigError(f"{name!r} is a task of the package; choose another name")
    if _OWN.setdefault(name, task) != task:
        raise ConfigError(f"another task is registered as {name!r}; choose another name")


def known_tasks() -> tuple[str, ...]:
    """Return the names of the published tasks, of those registered here, and of no task."""
    return (*TASKS, *_OWN, NO_TASK)


def task_named(name: str) -> Task:
    """Return the task of this name; one that is not known is graded by its judge alone."""
    return TASKS.get(name) or _OWN.get(name, DIRECT)
