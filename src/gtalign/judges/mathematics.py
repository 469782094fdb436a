"""A judge of mathematics: is the final answer the right one, by math-verify."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gtalign.chain import response_of, unanswered
from gtalign.errors import JudgeError
from gtalign.judges.answer import final_answer
from gtalign.judges.base import Verdict
from gtalign.judges.equality import choice, same_answer, tex, with_point
from gtalign.judges.workers import WorkerDied, Workers
from gtalign.tasks import Question, task_named

NAME: Final = "mathematics"
_LONGEST = 200_000  # characters; a final answer is looked for at the end of a longer response
_LONGEST_ANSWER = 2_000
_SYMBOLS: Final = frozenset("\\\u221e\u2205")
"""Characters that are an answer without a letter or a digit."""


class MathJudge:
    """Scores 1 if a response's final answer equals the ground truth, as mathematics, else 0.

    The final answer is that of `final_answer`. Numbers, and answers that are written alike, are
    compared here, by `same_answer`; all others by math-verify, in processes that are killed when an
    item takes too long. Such an item is unscored, and so is one whose ground truth or final answer
    is no mathematics, or whose final answer cannot be found (for another judge to grade, see
    `gtalign.judges.FirstOf`), or that has no response. An empty response scores 0.

    Args:
        seconds: Longest time for one item.
        workers: Number of processes, and so of items at once. Each takes about 150 MB.
        command: Command of a worker; for tests.
    """

    def __init__(
        self, seconds: float = 10.0, workers: int = 2, command: tuple[str, ...] | None = None
    ) -> None:
        self.seconds = seconds
        self._workers = Workers(workers, command)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=NAME)

    async def judge(self, question: Question, response: str) -> Verdict:
        """Compare the final answer with the ground truth.

        Raises:
            JudgeError: No worker can be started.
        """
        kind = task_named(question.task).kind
        if kind != "math":
            return Verdict(NAME, None, f"task {question.task!r} ({kind}) is no mathematics")
        if not question.referenced:
            return Verdict(NAME, None, "the question has no ground truth")
        missing = unanswered(response)
        if missing is not None:
            return Verdict(NAME, None, missing)
        response = response_of(response)
        if not response:
            return Verdict(NAME, 0.0, "says nothing", {"right_action": 0.0})
        answer = final_answer(response[-_LONGEST:])
        if answer is None:
            return Verdict(NAME, None, "no final answer can be found")
        right = same_answer(answer, question.ground_truth)
        if right is not None:
            return _graded(answer, "right" if right else "wrong")
        pointed = None if "," in question.ground_truth else with_point(answer)
        if pointed is not None:
            if same_answer(pointed, question.ground_truth):
                return _graded(answer, "right")
            return Verdict(NAME, None, f"answers {answer[:80]!r}, whose comma has two meanings")
        if choice(question.ground_truth) is not None:
            return Verdict(NAME, None, f"answers {answer[:80]!r}, and the reference is a letter")
        if not any(map(str.isalnum, answer)) and not _SYMBOLS & set(answer):
            return Verdict(NAME, None, f"answers {answer[:80]!r}, which is no mathematics")
        if choice(answer) is not None:
            return Verdict(NAME, None, f"answers {answer[:80]!r}, a letter without its meaning")
        if len(answer) > _LONGEST_ANSWER:
            return Verdict(
                NAME, None, f"the final answer is longer than {_LONGEST_ANSWER} characters"
            )
        item = {"gold": tex(question.ground_truth), "answer": f"\\boxed{{{tex(answer)}}}"}
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(
                self._threads, self._workers.ask, item, self.seconds
            )
        except WorkerDied as death:
            return Verdict(NAME, None, f"math-verify was stopped: {death}")
        except JudgeError as error:
            raise JudgeError(f"{error} (question {question.id!r})", error.cause) from error
        return _verdict(result, question)

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    async def aclose(self) -> None:
        """End the workers."""
        self.close()


def _verdict(result: dict[str, str], question: Question) -> Verdict:
    outcome, answer = result["outcome"], result["answer"]
    if outcome == "unparsed":
        truth = question.ground_truth.strip()
        return Verdict(NAME, None, f"the ground truth {truth[:80]!r} is no mathematics")
    if outcome == "failed":
        return Verdict(NAME, None, f"math-verify failed: {answer}")
    if outcome == "none":
        return Verdict(NAME, None, "the final answer is no mathematics")
    return _graded(answer, outcome)


def _graded(answer: str, outcome: str) -> Verdict:
    score, reason = float(outcome == "right"), f"answers {answer[:200]!r}, which is {outcome}"
    return Verdict(NAME, score, reason, {"right_action": 1.0})
