"""A judge of mathematics: is the final answer the right one, by math-verify."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gtalign.errors import JudgeError
from gtalign.judges.base import Verdict
from gtalign.judges.workers import WorkerDied, Workers
from gtalign.tasks import Question, task_named

NAME: Final = "mathematics"
_LONGEST = 200_000  # characters; a final answer is looked for at the end of a longer response


class MathJudge:
    r"""Scores 1 if a response's final answer equals the ground truth, as mathematics, else 0.

    The final answer is what math-verify takes for it: the last ``\boxed{..}``, else the last
    formula or number. Comparison runs in processes that are killed when an item takes too long;
    such an item is unscored, and so is one whose ground truth is not mathematics (for another
    judge to grade, see `gtalign.judges.FirstOf`).

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
        if not question.ground_truth.strip():
            return Verdict(NAME, None, "the question has no ground truth")
        item = {"gold": question.ground_truth, "answer": response[-_LONGEST:]}
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
        return Verdict(NAME, 0.0, "states no answer", {"right_action": 0.0})
    score = float(outcome == "right")
    return Verdict(NAME, score, f"answers {answer!r}, which is {outcome}", {"right_action": 1.0})
