"""Mathematics: an answer is right or wrong.

The paper says exact match; the released code asks a judge for 0 or 1. Both arrive here as a
verdict, and both sides share it.
"""

from gtalign.tasks.task import Task, same_on_both_sides

MATH = Task(
    "math",
    top=1.0,
    paper=same_on_both_sides,
    released=same_on_both_sides,
    reference=True,
)
"""Quality is the verdict, 0 or 1, on both sides."""
