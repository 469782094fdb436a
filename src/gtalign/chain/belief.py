"""Read the block that states a belief: how likely each action of the user is, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from gtalign.chain.scan import NUMBER, Repair, Scan
from gtalign.game.form import TOLERANCE, GameForm


def slack(count: int) -> float:
    """How far the shares of a belief may be from 1 in all, if each has two decimals.

    What is left of each below the last decimal adds up to a whole number of hundredths, fewer than
    there are shares. A thousandth more is for what a float leaves out, and for one share alone.

    Args:
        count: Number of shares.
    """
    return 0.01 * max(count - 1, 1) + 0.001


@dataclass(frozen=True, slots=True)
class BeliefReader:
    """Reads the beliefs of one game form."""

    form: GameForm

    def read(
        self,
        text: str,
        start: int,
        end: int,
        *,
        repairs: list[Repair] | None = None,
        offset: int = 0,
    ) -> dict[str, float]:
        """Return the belief in ``text[start:end]``: shares of 1 by action, in the form's order.

        Shares that add up to 1 but for rounding (`slack`) are scaled to add up to it.

        Args:
            text: The text that holds the block.
            start: Where its content begins.
            end: Where it ends.
            repairs: If given, other quotes, trailing commas and code fences are repaired, and each
                repair is appended to this list; without it they are errors.
            offset: What to add to positions in `text` for those that errors report.

        Raises:
            ChainError: It breaks a ``belief-*`` rule; the error holds the first and its position.
        """
        scan = _Scan(text, start, end, repairs, offset)
        found = scan.shares(self.form.user_actions)
        total = sum(found.values())
        if not abs(total - 1) <= slack(len(found)):
            message = f"the shares of a belief add up to 1, not {total:g}"
            raise scan.error("belief-sum", message, start)
        return {action: found[action] / total for action in self.form.user_actions}


class _Scan(Scan):
    """One pass over one belief block."""

    block = "belief"

    def shares(self, actions: tuple[str, ...]) -> dict[str, float]:
        """The share of each action, as it is written."""
        found: dict[str, float] = {}
        self.unfence()
        for separator in ("{", *"," * (len(actions) - 1)):
            if not self.take(separator):
                raise self.error("belief-syntax", "a belief is an object of shares, in JSON")
            self.space()
            at = self.position
            key = self.key()
            if key not in actions or key in found:
                known = ", ".join(actions)
                raise self.error("belief-key", f"a belief names each of {known} once", at)
            if not self.take(":"):
                raise self.error("belief-syntax", "a colon must come here")
            found[key] = self.share()
        if not self.close():
            raise self.error("belief-syntax", "a belief ends with the last action's share")
        self.space()
        if self.position < self.end:
            raise self.error("belief-syntax", "the belief continues after its brace")
        return found

    def share(self) -> float:
        """A number from 0 to 1."""
        self.space()
        found = NUMBER.match(self.text, self.position, self.end)
        # float() reads digits of any length in linear time; what overflows is greater than 1.
        if found is None or not 0 <= float(found.group()) <= 1 + TOLERANCE:
            raise self.error("belief-share", "a share is a number from 0 to 1")
        self.position = found.end()
        return float(found.group()) + 0.0


def written(belief: Mapping[str, float]) -> str:
    """A belief as `BeliefReader` reads it."""
    return json.dumps({action: round(share, 4) + 0.0 for action, share in belief.items()})
