"""A task: how a verdict's score becomes the quality of an answer on either side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gtalign.errors import JudgeError
from gtalign.tasks.question import Question

Definition = Literal["paper", "released"]
"""A definition of quality: that of the paper, or that of the code released with it."""


class Quality(NamedTuple):
    """Quality of one answer in [0, 1]: to the user, to the LLM, and the one number to report."""

    user: float
    llm: float
    reported: float


Grade = Callable[[Question, str, float], Quality]
"""Takes question, response and the verdict's score; returns the quality."""


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of task.

    Args:
        kind: ``math``, ``writing``, ``ambiguity``, ``safety`` or ``direct``.
        top: Largest score that a judge may give; the smallest is 0.
        paper: Quality as the paper writes it.
        released: Quality as the released code computes it.
        reference: Whether no answer can be graded without a ground truth.
    """

    kind: str
    top: float
    paper: Grade
    released: Grade
    reference: bool = False

    def quality(
        self, question: Question, response: str, score: float, definition: Definition = "paper"
    ) -> Quality:
        """Return the quality of a response; NaN where it is unknown for lack of a ground truth.

        Args:
            question: The question that it answers.
            response: The text that the user sees.
            score: The verdict's score, in [0, top].
            definition: The definition of quality.

        Raises:
            JudgeError: The score is outside the range of this task.
        """
        if not 0 <= score <= self.top:  # NaN is outside as well
            raise JudgeError(
                f"question {question.id!r}: verdict {score!r} is outside 0..{self.top:g}, the range"
                f" of {self.kind} tasks"
            )
        grade = self.paper if definition == "paper" else self.released
        return grade(question, response, float(score))


def same_on_both_sides(question: Question, response: str, score: float) -> Quality:
    """Take the verdict's score as the quality for both sides."""
    return Quality(user=score, llm=score, reported=score)
