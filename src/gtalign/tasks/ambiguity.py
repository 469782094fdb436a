"""Ambiguous and clear questions: was the right kind of answer given?

An ambiguous question should draw a clarifying question, or an answer that covers several of its
readings; a clear one, a direct answer.
"""

from gtalign.errors import DataError
from gtalign.tasks.question import Question
from gtalign.tasks.task import Task, same_on_both_sides

AMBIGUITY = Task(
    "ambiguity",
    top=1.0,
    paper=same_on_both_sides,
    released=same_on_both_sides,
    reference=True,
)
"""Quality is the verdict, 0 or 1, on both sides."""

_AMBIGUOUS = {"multipleQAs": True, "singleAnswer": False, "ambiguous": True, "non_ambiguous": False}


def is_ambiguous(question: Question) -> bool:
    """Whether the ground truth calls the question ambiguous.

    Known forms are ``multipleQAs###...``, ``singleAnswer###...``, ``ambiguous`` and
    ``non_ambiguous``.

    Raises:
        DataError: The ground truth has another form.
    """
    label = question.ground_truth.partition("###")[0].strip()
    if label not in _AMBIGUOUS:
        raise DataError(
            f"question {question.id!r}: ground truth {label[:40]!r} does not begin with one of"
            f" {', '.join(_AMBIGUOUS)}"
        )
    return _AMBIGUOUS[label]
