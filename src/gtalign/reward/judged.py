"""One batch of completions read, judged and scored: the one way from texts to scores.

`gtalign.transcripts.Scorer` does this to transcripts, by the batch or as a stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gtalign.chain import unanswered
from gtalign.errors import JudgeError
from gtalign.judges import Judge, Verdict
from gtalign.judges.batch import judge_all
from gtalign.judges.failures import Failure, raise_broken
from gtalign.reward.reading import Readings
from gtalign.reward.score import Reward
from gtalign.reward.scores import Scores
from gtalign.tasks import Question

WORKERS = 512
"""Most answers of a batch that are judged at once; endpoints have lower limits of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """N completions, judged and scored.

    Args:
        readings: The completions as they were read.
        scores: Their scores.
        verdicts: A verdict for each; None where there was nothing to judge. Where the judge failed,
            the verdict has no score and gives the reason.
        failures: For each completion that the judge was asked about, in order, why it has no score;
            None where it has one.
    """

    readings: Readings
    scores: Scores
    verdicts: Sequence[Verdict | None]
    failures: Mapping[int, Failure | None]


async def judged(
    reward: Reward,
    judge: Judge | None,
    questions: Sequence[Question],
    completions: Sequence[str],
    verdicts: Sequence[Verdict | None] | None = None,
    solutions: Sequence[float | None] | None = None,
    tokens: Sequence[Mapping[str, int] | None] | None = None,
    *,
    workers: int = WORKERS,
    strict: bool = False,
) -> Judged:
    """Read completions, ask for the missing verdicts, and score.

    The judge is asked about a completion that can be read and has no verdict with a score. One that
    cannot be read scores 0, and a plain one without a response has no score. If the judge fails on
    one completion, or gives a verdict outside the task's range, only that completion stays
    unscored.

    Args:
        reward: Reads and scores the completions.
        judge: Grades the responses; with None, no judge is asked.
        questions: The questions.
        completions: The whole texts of the model.
        verdicts: The verdicts that exist already.
        solutions: S, where it is known; see `Reward.score`.
        tokens: Token counts of earlier scores; see `Reward.score`.
        workers: Most answers that are judged at once.
        strict: Whether a failure of the judge itself is an error.

    Raises:
        JudgeError: The judge failed, and ``strict`` was set.
        UnusableJudgeError: The judge cannot be asked at all.
        ValueError: The numbers of questions, verdicts and completions differ.
    """
    readings = reward.read(completions)
    known: list[Verdict | None] = [None] * len(readings) if verdicts is None else [*verdicts]
    asked: dict[int, Failure | None] = {}
    if judge is not None:
        missing = [
            (row, question, response)
            for row, (question, response, verdict) in enumerate(
                zip(questions, readings.responses, known, strict=True)
            )
            if response is not None
            and row not in readings.unanswered
            and (verdict is None or verdict.score is None)
        ]
        answers = [
            # A whole chain may have a response that says nothing.
            (question, response if unanswered(response) is None else "")
            for _, question, response in missing
        ]
        given = await judge_all(judge, answers, workers=workers)
        for (row, question, _), answer in zip(missing, given, strict=True):
            known[row], asked[row] = _outcome(judge, question, answer)
    scores = reward.score(questions, readings, known, solutions, tokens)
    for row in asked.keys() & scores.errors.keys():
        known[row], asked[row] = _failed(judge, scores.errors[row])
    if strict:
        raise_broken(asked.values())
    return Judged(readings, scores, known, asked)


def _outcome(
    judge: Judge, question: Question, answer: Verdict | JudgeError
) -> tuple[Verdict, Failure | None]:
    if isinstance(answer, JudgeError):
        return _failed(judge, answer)
    if answer.score is None:
        about = f"judge {answer.judge!r}, question {question.id!r}: {answer.reason}"
        return answer, Failure("unscored", about, broken=False)
    return answer, None


def _failed(judge: Judge | None, error: JudgeError) -> tuple[Verdict, Failure]:
    verdict = Verdict(type(judge).__name__, None, str(error))
    return verdict, Failure(error.cause, str(error), broken=True)
