"""The reward as one callable for TRL, with every factor in its logs.

TRL calls it with the batch's prompts and completions and with the columns of the data set. The
column ``question`` holds each question as JSON text (``json.dumps(question.to_json())``).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gtalign.errors import DataError, JudgeError
from gtalign.judges import Judge
from gtalign.judges.failures import Failures, shares
from gtalign.reward.judged import Judged, judged
from gtalign.reward.score import Reward
from gtalign.reward.scores import WELFARE, Scores, as_known
from gtalign.tasks import Question
from gtalign.transcripts import Transcript, TranscriptWriter


class TRLReward:
    """A reward function for TRL's trainers.

    Completions that cannot be read, or that end before their response begins, are worth 0 and never
    reach the judge: in training, an answer that shows the user nothing is worth nothing, or endless
    reasoning would be safer than a wrong answer. One that the judge fails
    on, or leaves unscored, is None: TRL then leaves it out of its group instead of learning that it
    was worth nothing. Failures are counted by cause, and too many of them stop the run.

    Args:
        reward: Scores the completions.
        judge: Grades the responses.
        log: A JSON Lines file to append one transcript per completion to.
        max_failed: The largest share of judged completions without a score that a run accepts, in
            [0, 1].
        window: The share is measured over this many judged completions, the latest ones.

    Attributes:
        failures: Failures so far, by cause.
    """

    def __init__(
        self,
        reward: Reward,
        judge: Judge,
        log: Path | None = None,
        *,
        max_failed: float = 0.5,
        window: int = 256,
    ) -> None:
        self.reward = reward
        self.judge = judge
        self.log = log
        self.failures = Failures(max_failed, window)
        self.__name__ = reward.config.aggregate  # TRL's name for the metric

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        question: Sequence[str] | None = None,
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the reward of each completion, or None where it is unknown.

        Args:
            prompts: One per completion; unused, the question says what was asked.
            completions: Texts, or conversations whose last message is the completion.
            completion_ids: Unused; lengths are counted by the reward.
            question: The data set's column of questions as JSON text, one per completion.
            trainer_state: Its ``global_step`` is written to the log.
            log_metric: Takes the mean of each factor and welfare, and the share left unscored.
            log_extra: Takes a column of values for the trainer's table of completions.
            columns: The other columns of the data set, unused.

        Raises:
            DataError: There is no column ``question``.
            JudgeError: The judge failed on every completion of the batch, or on too many of the
                latest ones.
            StorageError: The log cannot be written.
        """
        if question is None:
            raise DataError("the data set has no column 'question' with each question as JSON text")
        questions = [Question.from_json(text) for text in question]
        texts = [completion_text(completion) for completion in completions]
        found = await judged(self.reward, self.judge, questions, texts)
        scores, outcomes = found.scores, [*found.failures.values()]
        if self.log is not None:
            step = getattr(trainer_state, "global_step", None)
            self._write(self.log, step, questions, texts, found)
        # After the log, which then has the cause of every failure.
        failed = [failure for failure in outcomes if failure is not None and failure.broken]
        if failed and len(failed) == len(scores):
            raise JudgeError(
                f"the judge failed on all {len(scores)} completions: {failed[0].reason}",
                failed[0].cause,
            )
        self.failures.add(outcomes)
        if log_metric is not None:
            for name, value in (means(scores) | shares(outcomes)).items():
                log_metric(name, value)
        if log_extra is not None:
            for name in WELFARE:
                log_extra(name, as_known(getattr(scores, name)))
        return _rewards(found)

    def _write(
        self,
        log: Path,
        step: int | None,
        questions: Sequence[Question],
        completions: Sequence[str],
        found: Judged,
    ) -> None:
        plain = not self.reward.config.chain
        measured = zip(found.scores, found.verdicts, _rewards(found), strict=True)
        rows = zip(questions, completions, measured, strict=True)
        with TranscriptWriter(log, keep_ids=False) as writer:
            for question, completion, (score, verdict, reward) in rows:
                answered = Transcript.of(question, completion, model="", split="train", plain=plain)
                scored = answered.scored(score, [] if verdict is None else [verdict])
                extra = {**question.extra, "step": step, "reward": reward}
                writer.write(replace(scored, extra=extra))


def _rewards(found: Judged) -> list[float | None]:
    """The rewards of a batch: 0 where a plain answer has no response, None where unknown."""
    missing = found.readings.unanswered
    rewards = as_known(found.scores.reward)
    return [0.0 if row in missing else reward for row, reward in enumerate(rewards)]


def means(scores: Scores) -> dict[str, float]:
    """Return the mean of each factor and welfare over the scores that know it.

    ``unscored`` is the share without a welfare, ``malformed`` the share that could not be read as
    the chain that was asked for. Measures that are unknown for every completion
    are left out.
    """
    rows = np.arange(len(scores))
    columns = {
        **{f"factor/{name}": column for name, column in scores.factors.items()},
        **{f"welfare/{name}": getattr(scores, name) for name in WELFARE},
        "unscored": np.isin(rows, [*scores.unscored]),
        "malformed": np.isin(rows, [*scores.chain_errors]),
        "tokens": scores.tokens["total"],
    }
    found = {name: column[~np.isnan(column)] for name, column in columns.items()}
    return {name: float(known.mean()) for name, known in found.items() if known.size}


def completion_text(completion: Any) -> str:
    """Return the text of a completion: itself, or that of a conversation's last message."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "")
