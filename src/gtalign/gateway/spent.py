"""What answers have taken of budgets: sums, shares and warnings."""

from dataclasses import dataclass

from gtalign.steering import Budget


@dataclass(frozen=True, slots=True)
class Spent:
    """What answers have taken of budgets.

    Args:
        tokens: Tokens read and written.
        money: Their price, in currency units.
        estimated: How many answers are estimated, because nobody counted all that they took.
    """

    tokens: int = 0
    money: float = 0.0
    estimated: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.tokens + other.tokens,
            self.money + other.money,
            self.estimated + other.estimated,
        )

    def most(self, other: "Spent") -> "Spent":
        """The larger of both, in each."""
        return Spent(
            max(self.tokens, other.tokens),
            max(self.money, other.money),
            max(self.estimated, other.estimated),
        )

    def shares(self, budget: Budget | None) -> dict[str, float]:
        """The share of each limit of a budget that this is."""
        if budget is None:
            return {}
        limits = {"tokens": (self.tokens, budget.tokens), "money": (self.money, budget.money)}
        return {unit: spent / most for unit, (spent, most) in limits.items() if most is not None}

    def warning(self, budget: Budget | None) -> str:
        """The shares that are near their limits, as headers tell them: ``~`` marks estimates."""
        if budget is None:
            return ""
        about = "~" if self.estimated else ""
        near = (item for item in self.shares(budget).items() if item[1] >= budget.soft)
        return ", ".join(f"{unit} {about}{share:.2f}" for unit, share in near)
