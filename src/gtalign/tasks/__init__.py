"""What is asked, and what answer quality means for each kind of task."""

from gtalign.tasks.question import Message, Question
from gtalign.tasks.registry import DIRECT, TASKS, task_named
from gtalign.tasks.task import Quality, Task

__all__ = ["DIRECT", "TASKS", "Message", "Quality", "Question", "Task", "task_named"]
