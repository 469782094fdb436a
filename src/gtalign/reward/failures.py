"""Judges and teachers that fail during a run: counted by cause, and borne up to a share."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from gtalign.errors import JudgeError, TeacherError


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a completion that was judged has no score.

    Args:
        cause: The kind of failure in a word or two; ``unscored`` for a verdict without a score.
        reason: What happened, on which question.
        broken: Whether the judge itself failed, rather than leave the answer unscored.
    """

    cause: str
    reason: str
    broken: bool


class Failures:
    """Counts failures and says when there are too many.

    The share is taken of the latest ``window`` judged completions, and only once there are as many:
    a bad moment early on does not stop a run.

    Args:
        max_failed: Largest share that is borne, in [0, 1].
        window: Number of completions, at least 1.
        told: What the failed ones are said to be.
        error: What is raised.

    Attributes:
        counts: Failures by cause, from the beginning.
    """

    def __init__(
        self,
        max_failed: float,
        window: int,
        told: str = "judged completions have no score",
        error: type[JudgeError] | type[TeacherError] = JudgeError,
    ) -> None:
        if not 0 <= max_failed <= 1:
            raise ValueError(f"max_failed has to be in [0, 1], not {max_failed!r}")
        if window < 1:
            raise ValueError(f"window has to be at least 1, not {window!r}")
        self.max_failed = max_failed
        self.told = told
        self.error = error
        self.counts: Counter[str] = Counter()
        self._latest: deque[Failure | None] = deque(maxlen=window)

    def add(self, outcomes: Sequence[Failure | None]) -> None:
        """Take in judged completions; None for one that has a score.

        Raises:
            ServiceError: More than the share that is borne have failed; tells how many of each
                cause, and the latest one in full.
        """
        self.counts.update(failure.cause for failure in outcomes if failure is not None)
        self._latest.extend(outcomes)
        failed = [failure for failure in self._latest if failure is not None]
        window = self._latest.maxlen or 0
        if len(self._latest) < window or len(failed) <= self.max_failed * window:
            return
        causes = Counter(failure.cause for failure in failed)
        counted = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        raise self.error(
            f"{len(failed)} of the latest {window} {self.told} ({counted}),"
            f" more than the share of {self.max_failed:g} that is borne; the latest:"
            f" {failed[-1].reason}",
            causes.most_common(1)[0][0],
        )


def shares(outcomes: Sequence[Failure | None]) -> dict[str, float]:
    """Return the share of judged completions that each cause took, as metrics of a batch."""
    counts = Counter(failure.cause for failure in outcomes if failure is not None)
    return {f"judge_failed/{cause}": count / len(outcomes) for cause, count in counts.items()}
