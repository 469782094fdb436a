"""Judges combined: one after another, and one set for each task."""

from collections.abc import Mapping, Sequence

from gtalign.judges.base import Judge, Verdict
from gtalign.tasks import Question, task_named


class FirstOf:
    """Asks judges in order and takes the first score; later judges are then not asked.

    A judge abstains by leaving the answer unscored. A failure is not an abstention: its error goes
    to the caller.

    Args:
        judges: In the order in which they are asked; at least one.
    """

    def __init__(self, judges: Sequence[Judge]) -> None:
        if not judges:
            raise ValueError("at least one judge is needed")
        self.judges = tuple(judges)

    async def judge(self, question: Question, response: str) -> Verdict:
        """Return the first verdict with a score; if there is none, an unscored one with all
        reasons."""
        passed = []
        for judge in self.judges:
            verdict = await judge.judge(question, response)
            if verdict.score is not None:
                return verdict
            passed.append(verdict)
        if len(passed) == 1:
            return passed[0]
        names = ", ".join(verdict.judge for verdict in passed)
        return Verdict(names, None, "; ".join(f"{v.judge}: {v.reason}" for v in passed))


class Panel:
    """Sends each question to the judge of its task.

    Args:
        default: The judge of tasks without a judge of their own.
        tasks: Judges by name of a task or of a kind of task (``math``, ``writing``, ``ambiguity``,
            ``safety``, ``direct``); the name of a task counts before its kind.
    """

    def __init__(self, default: Judge, tasks: Mapping[str, Judge]) -> None:
        self.default = default
        self.tasks = dict(tasks)

    def judge_of(self, question: Question) -> Judge:
        """Return the judge that a question goes to."""
        kind = task_named(question.task).kind
        return self.tasks.get(question.task, self.tasks.get(kind, self.default))

    async def judge(self, question: Question, response: str) -> Verdict:
        """Grade a response by the judge of the question's task."""
        return await self.judge_of(question).judge(question, response)
