"""Failures of judges, teachers and users during a run: counted by cause, accepted up to a limit."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gtalign.errors import JudgeError, TeacherError, UserError


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an answer that was judged has no score.

    Args:
        cause: The kind of failure in a word or two; ``unscored`` for a verdict without a score.
        reason: What happened, on which question.
        broken: Whether the judge itself failed, rather than leave the answer unscored.
    """

    cause: str
    reason: str
    broken: bool


class Failures:
    """Counts failures and stops a run that has too many.

    During a run, the share is that among the latest ``window`` judged answers, once there are that
    many: a few early failures do not stop the run. At its end, the share is that among all answers.

    Args:
        max_failed: The largest share of failures that a run accepts, in [0, 1].
        window: Number of answers, at least 1.
        what: The message's words for the failed answers.
        error: The class of the error to raise.

    Attributes:
        counts: Failures by cause, from the beginning.
    """

    def __init__(
        self,
        max_failed: float,
        window: int,
        what: str = "judged answers have no score",
        error: type[JudgeError] | type[TeacherError] | type[UserError] = JudgeError,
    ) -> None:
        if not 0 <= max_failed <= 1:
            raise ValueError(f"max_failed has to be in [0, 1], not {max_failed!r}")
        if window < 1:
            raise ValueError(f"window has to be at least 1, not {window!r}")
        self.max_failed = max_failed
        self.what = what
        self.error = error
        self.counts: Counter[str] = Counter()
        self._latest: deque[Failure | None] = deque(maxlen=window)
        self._last: Failure
        self._all = 0

    def add(self, outcomes: Sequence[Failure | None]) -> None:
        """Count judged answers; None stands for one that has a score.

        Raises:
            ServiceError: The share of failures is above `max_failed`. The message counts them by
                cause and quotes the last one in full.
        """
        self._all += len(outcomes)
        for failure in outcomes:
            if failure is not None:
                self.counts[failure.cause] += 1
                self._last = failure
        self._latest.extend(outcomes)
        window = self._latest.maxlen or 0
        if len(self._latest) == window:
            latest = Counter(failure.cause for failure in self._latest if failure is not None)
            self._refuse(latest, window, f"the latest {window}")

    def end(self) -> None:
        """Check all answers at the end of a run, which may be shorter than the window.

        Raises:
            ServiceError: Too many failed; as for `add`.
        """
        self._refuse(self.counts, self._all, f"{self._all}")

    def _refuse(self, causes: Counter[str], judged: int, of: str) -> None:
        failed = causes.total()
        if failed <= self.max_failed * judged:
            return
        counted = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        raise self.error(
            f"{failed} of {of} {self.what} ({counted}); the limit is {100 * self.max_failed:g}%."
            f" The last failure: {self._last.reason}",
            causes.most_common(1)[0][0],
        )


def shares(outcomes: Sequence[Failure | None]) -> dict[str, float]:
    """Return the share of judged answers that failed by each cause, as metrics of a batch."""
    counts = Counter(failure.cause for failure in outcomes if failure is not None)
    return {f"judge_failed/{cause}": count / len(outcomes) for cause, count in counts.items()}


def raise_broken(failures: Iterable[Failure | None]) -> None:
    """Raise the first failure of the judge itself; for callers that accept none.

    Raises:
        JudgeError: The judge failed. An answer that it left unscored does not count as a failure.
    """
    for failure in failures:
        if failure is not None and failure.broken:
            raise JudgeError(failure.reason, failure.cause)
