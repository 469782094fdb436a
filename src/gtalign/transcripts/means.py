"""Means of scores by task, without keeping the rows."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from gtalign.reward import RewardConfig, Score

_WELFARE = ("user_welfare", "llm_welfare", "mutual_welfare")


class Means:
    """Means by task, and over all tasks.

    Attributes:
        count: Number of scores added.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, dict[str, tuple[float, int]]] = {}
        self._units: set[str] = set()

    def add(self, task: str, unit: str, score: Score) -> None:
        """Add a score.

        Args:
            task: Task of the question.
            unit: Unit of its token counts, in a word.
            score: The score; its unknown values enter no mean.
        """
        self.count += 1
        self._units.add(unit)
        values: dict[str, float | None] = {
            "reward": score.reward,
            **{name: getattr(score, name) for name in _WELFARE},
            "quality": score.factors["quality"],
            "unscored": float(score.unscored is not None),
            "malformed": float(score.chain_error is not None),
        }
        for group in (task, "all"):
            sums = self._sums.setdefault(group, {})
            for name, value in values.items():
                total, count = sums.get(name, (0.0, 0))
                sums[name] = (total + (value or 0.0), count + (value is not None))

    def title(self, config: RewardConfig) -> str:
        """Return the title of the table."""
        title = f"means of the reward {config.aggregate}, preset {config.preset}"
        if config.unit == "tokens" and self._units:
            title += f"; tokens: {', '.join(sorted(self._units))}"
        return title

    def table(self) -> Table:
        """Return a table with a row for each task, and one for all."""
        table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
        table.add_column("task", no_wrap=True)
        for name in ("rows", "Q", "U", "L", "W", "reward", "unscored", "malformed"):
            table.add_column(name, justify="right", no_wrap=True)
        groups = sorted(self._sums, key=lambda group: (group == "all", group))
        for group in groups:
            sums = self._sums[group]
            means = [
                f"{total / count:.4f}" if count else "-"
                for total, count in (sums[name] for name in ("quality", *_WELFARE, "reward"))
            ]
            counts = [f"{sums[name][0]:.0f}" for name in ("unscored", "malformed")]
            table.add_row(group, str(sums["unscored"][1]), *means, *counts)
        return table
