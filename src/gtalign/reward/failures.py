"""Judges and teachers that fail during a run: counted by cause, and accepted up to a share."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
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

    During a run the share is taken of the latest ``window`` judged completions, and only once there
    are as many: a bad moment early on does not stop it. At its end it is taken of all of them.

    Args:
        max_failed: The largest share of failures that a run accepts, in [0, 1].
        window: Number of completions, at least 1.
        told: The message's words for the failed ones.
        error: The class of error to raise.

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
        self._last: Failure
        self._all = 0

    def add(self, outcomes: Sequence[Failure | None]) -> None:
        """Take in judged completions; None for one that has a score.

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
        """Say at the end of a run whether too many failed of all that was judged.

        Raises:
            ServiceError: As `add` does; a run may be shorter than the window.
        """
        self._refuse(self.counts, self._all, f"{self._all}")

    def _refuse(self, causes: Counter[str], judged: int, of: str) -> None:
        failed = causes.total()
        if failed <= self.max_failed * judged:
            return
        counted = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        raise self.error(
            f"{failed} of {of} {self.told} ({counted}); the limit is {100 * self.max_failed:g}%."
            f" The last failure: {self._last.reason}",
            causes.most_common(1)[0][0],
        )


def shares(outcomes: Sequence[Failure | None]) -> dict[str, float]:
    """Return the share of judged completions that each cause took, as metrics of a batch."""
    counts = Counter(failure.cause for failure in outcomes if failure is not None)
    return {f"judge_failed/{cause}": count / len(outcomes) for cause, count in counts.items()}


def raise_broken(failures: Iterable[Failure | None]) -> None:
    """Raise the first failure of the judge itself, where no failure is accepted.

    Raises:
        JudgeError: The judge failed; an answer that it left unscored is no failure of its own.
    """
    for failure in failures:
        if failure is not None and failure.broken:
            raise JudgeError(failure.reason, failure.cause)
