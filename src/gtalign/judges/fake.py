"""A judge for tests: it gives scripted verdicts and records the requests."""

from collections.abc import Callable

from gtalign.errors import JudgeError
from gtalign.judges.base import Verdict
from gtalign.tasks import Question

Answer = float | None | Exception


class FakeJudge:
    """A judge with prepared answers.

    Args:
        answer: The score of every response; None for unscored; an exception to raise; or a
            function of question and response that returns one of these.

    Attributes:
        calls: Every (question, response) that it was asked about, in order.
    """

    def __init__(self, answer: Answer | Callable[[Question, str], Answer] = 1.0) -> None:
        self.answer = answer
        self.calls: list[tuple[Question, str]] = []

    async def judge(self, question: Question, response: str) -> Verdict:
        """Give the prepared answer."""
        self.calls.append((question, response))
        answer = self.answer(question, response) if callable(self.answer) else self.answer
        if isinstance(answer, JudgeError):
            raise JudgeError(f"judge 'fake', question {question.id!r}: {answer}")
        if isinstance(answer, Exception):
            raise answer
        reason = "as prepared" if answer is not None else "prepared to leave it unscored"
        return Verdict(judge="fake", score=answer, reason=reason)
