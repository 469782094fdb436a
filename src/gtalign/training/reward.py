"""The reward as one callable for TRL, with every factor in its logs.

TRL calls it with the batch's prompts and completions and with the columns of the data set. The
column ``question`` holds each question as JSON text (``json.dumps(question.to_json())``).
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gtalign.errors import DataError, JudgeError
from gtalign.judges import Judge
from gtalign.judges.failures import Failures, shares
from gtalign.reward import FACTORS, Reward
from gtalign.reward.scores import WELFARE
from gtalign.tasks import Question
from gtalign.transcripts import Scored, Scorer, Transcript, TranscriptWriter


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
        self.log = log
        self.failures = Failures(max_failed, window)
        self._scorer = Scorer(reward, judge, self.failures)
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
        plain = not self._scorer.reward.config.chain
        answered = [
            Transcript.of(asked, completion_text(completion), model="", split="train", plain=plain)
            for asked, completion in zip(questions, completions, strict=True)
        ]
        with ExitStack() as stack:
            write = None
            if self.log is not None:
                file = stack.enter_context(TranscriptWriter(self.log, keep_ids=False))
                write = partial(_write, file, getattr(trainer_state, "global_step", None))
            found = await self._scorer.score(answered, write)
        broken = [s.failure for s in found if s.failure is not None and s.failure.broken]
        if broken and len(broken) == len(found):
            raise JudgeError(
                f"the judge failed on all {len(found)} completions: {broken[0].reason}",
                broken[0].cause,
            )
        if log_metric is not None:
            for name, value in means(found).items():
                log_metric(name, value)
        if log_extra is not None:
            for name in WELFARE:
                log_extra(name, [getattr(scored.score, name) for scored in found])
        return [earned(scored) for scored in found]


def means(found: Sequence[Scored]) -> dict[str, float]:
    """Return the mean of each factor and welfare over the answers whose score knows it.

    ``unscored`` is the share without a welfare, ``malformed`` the share that could not be read as
    the chain that was asked for, ``judge_failed/CAUSE`` the share of judged answers that have no
    score for this cause. Measures that are unknown for every answer are left out.
    """
    scores = [scored.score for scored in found]
    columns: dict[str, list[float | None]] = {
        **{f"factor/{name}": [score.factors[name] for score in scores] for name in FACTORS},
        **{f"welfare/{name}": [getattr(score, name) for score in scores] for name in WELFARE},
        "unscored": [score.unscored is not None for score in scores],
        "malformed": [score.chain_error is not None for score in scores],
        "tokens": [score.tokens.get("total") for score in scores],
    }
    known = {
        name: np.array([value for value in column if value is not None], dtype=np.float64)
        for name, column in columns.items()
    }
    return {
        **{name: float(column.mean()) for name, column in known.items() if column.size},
        **shares([scored.failure for scored in found if scored.asked]),
    }


def earned(scored: Scored) -> float | None:
    """Return what an answer earns in training: 0 if it has no response, None if nobody knows."""
    return scored.score.reward if scored.transcript.unanswered is None else 0.0


def _write(file: TranscriptWriter, step: int | None, scored: Scored) -> None:
    extra = {**scored.transcript.extra, "step": step, "reward": earned(scored)}
    file.write(replace(scored.transcript, extra=extra))


def completion_text(completion: Any) -> str:
    """Return the text of a completion: itself, or that of a conversation's last message."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "")
