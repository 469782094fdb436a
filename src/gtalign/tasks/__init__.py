"""What is asked, and what answer quality means for each kind of task."""

from gtalign.tasks.question import Message, Question
from gtalign.tasks.registry import DIRECT, NO_TASK, TASKS, known_tasks, register, task_named
from gtalign.tasks.task import Quality, Task

__all__ = [
    "DIRECT",
    "NO_TASK",
    "TASKS",
    "Message",
    "Quality",
    "Question",
    "Task",
    "known_tasks",
    "register",
    "task_named",
]
