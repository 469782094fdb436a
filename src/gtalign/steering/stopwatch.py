"""The time that the engine took for an answer, without the time of its reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Runs while an answer waits for text, over all its stretches of writing.

    Attributes:
        waited: Seconds, over all stretches.
        stretches: When each stretch began and ended, by `perf_counter`.
        begun: Whether any text has come.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self.stretches: list[tuple[float, float]] = []
        self.begun = False
        self._since: float | None = None

    @contextmanager
    def stretch(self) -> Iterator[None]:
        """Time one stretch of writing; it may fail, or be closed while its reader is busy."""
        began = perf_counter()
        self._since = began
        try:
            yield
        finally:
            self._stop()
            self.stretches.append((began, perf_counter()))

    def came(self) -> None:
        """Stop until `wait`, because text has come."""
        self.begun = True
        self._stop()

    def wait(self) -> None:
        """Run again, because the answer waits for more text."""
        self._since = perf_counter()

    def _stop(self) -> None:
        if self._since is not None:
            self.waited += perf_counter() - self._since
            self._since = None
