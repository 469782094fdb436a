"""A judge of mathematics: is the final answer the right one, by math-verify."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gtalign.chain import response_of, unanswered
from gtalign.errors import JudgeError
from gtalign.judges.answer import final_answer
from gtalign.judges.base import Verdict
from gtalign.judges.equality import choice, number, same_answer, with_point
from gtalign.judges.notation import tex
from gtalign.judges.workers import WorkerDied, Workers
from gtalign.tasks import Question, task_named

NAME: Final = "mathematics"
_LONGEST = 200_000  # characters; a final answer is looked for at the end of a longer response
_LONGEST_ANSWER = 2_000
_MEMBER: Final = re.compile(r"^\s*[A-Za-z]\s*\\in(?![A-Za-z])\s*")
_MATHEMATICS: Final = re.compile(r"[\d\\]")
_LETTERS: Final = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}|\\(?:text|mathrm|frac\{[A-Za-z\\])")
_BESIDE: Final = re.compile(r"\\(?:text\w*|mathrm|mbox|begin|end)\s*\{[^{}]*\}|\\!")
"""What stands beside a formula: units, and negative space."""
_COMMAND: Final = re.compile(r"\\[A-Za-z]+")
_PROSE: Final = re.compile(
    r"(?<![A-Za-z\d_])(?!(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?(?![a-z])|(?:log|exp|sqrt|lim|gcd|lcm|max"
    r"|min|det|mod|and)(?![a-z]))[^\W\d_]{3,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_JOINING: Final = re.compile(r"\b(?:to|not|than|of|by|from)\b")
_RELATION: Final = re.compile(r"[<>]|\\(?:le|ge|ne|lt|gt)(?![A-Za-z])")
_BRACKET: Final = re.compile(r"\s*(?:\\left\s*)?(\\\{|\{|[(\[])")


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
        item = {"gold": _formula(question.ground_truth), "answer": _formula(answer)}
        unlike = _unlike(answer, question.ground_truth) or _unreadable(item)
        if unlike is not None:
            return Verdict(NAME, None, f"answers {answer[:80]!r}, {unlike}")
        if len(answer) > _LONGEST_ANSWER:
            return Verdict(
                NAME, None, f"the final answer is longer than {_LONGEST_ANSWER} characters"
            )
        item["answer"] = f"\\boxed{{{item['answer']}}}"
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


def _formula(text: str) -> str:
    """Return an answer in TeX, without the name of what lies in a set or an interval."""
    return _MEMBER.sub("", tex(text))


def _unlike(answer: str, truth: str) -> str | None:
    """Return why an answer is of another kind than the reference; None if it is of its kind."""
    if choice(truth) is not None:
        return "and the reference is a letter"
    if choice(answer) is not None:
        return "a letter without its meaning"
    ours, theirs = number(answer), number(truth)
    if ours is not None and theirs is not None:
        return "which has another unit"
    named = theirs is not None and (theirs.unit or not _MATHEMATICS.search(answer))
    if named and _LETTERS.search(answer):
        return "whose words are no number"
    return None


def _unreadable(item: dict[str, str]) -> str | None:
    """Return why math-verify would misread one of two formulas; None if it would not.

    It leaves out what it does not know: words, factorials, primes, the sides of an inequality. It
    takes a set for an interval.
    """
    gold, answer = (_BESIDE.sub(" ", item[side]) for side in ("gold", "answer"))
    if not any(map(str.isalnum, answer)) and "\\" not in answer:
        return "which is no mathematics"
    if _PROSE.search(_COMMAND.sub(" ", answer)) or _JOINING.search(item["answer"]):
        return "which is more than a formula"
    if any((mark in gold) or (mark in answer) for mark in "!'"):
        return "whose marks have several meanings"
    if (_RELATION.search(gold) is None) is not (_RELATION.search(answer) is None):
        return "and only one of both is a relation"
    ours, theirs = _BRACKET.match(answer), _BRACKET.match(gold)
    if ours and theirs and ("{" in ours[1]) is not ("{" in theirs[1]):
        return "and only one of both is a set"
    return None


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
