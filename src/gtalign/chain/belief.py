"""Read the block that states a belief: how likely each action of the user is, as JSON."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gtalign.errors import ChainError
from gtalign.game.form import TOLERANCE, GameForm

SLACK: Final = 0.011
"""How far the shares of a belief may be from 1 in all: by the rounding of two of two decimals."""

_SPACE: Final = r"[ \t\n\r]*+"
_OPEN: Final = re.compile(_SPACE + r"\{" + _SPACE)
_CLOSE: Final = re.compile(_SPACE + r"\}" + _SPACE)
_COMMA: Final = re.compile(_SPACE + r"," + _SPACE)
_ITEM: Final = re.compile(rf'"([A-Za-z0-9-]{{1,80}}+)"{_SPACE}:{_SPACE}')
_SHARE: Final = re.compile(r"(?:0|[1-9][0-9]{0,30}+)(?:\.[0-9]{1,30}+)?(?![\w.+-])")


@dataclass(frozen=True, slots=True)
class BeliefReader:
    """Reads the beliefs of one game form."""

    form: GameForm

    def read(self, text: str, start: int, end: int, *, offset: int = 0) -> dict[str, float]:
        """Return the belief in ``text[start:end]``: shares of 1 by action, in the form's order.

        Shares that add up to 1 but for rounding are scaled to add up to it.

        Args:
            text: The text that holds the block.
            start: Where its content begins.
            end: Where it ends.
            offset: What to add to positions in `text` for those that errors report.

        Raises:
            ChainError: It breaks a ``belief-*`` rule; the error holds the first and its position.
        """

        def error(rule: str, at: int, message: str) -> ChainError:
            return ChainError(rule, at + offset, message)

        found: dict[str, float] = {}
        separator, position = _OPEN, start
        while len(found) < len(self.form.user):
            between = separator.match(text, position, end)
            position = position if between is None else between.end()
            item = None if between is None else _ITEM.match(text, position, end)
            if item is None:
                raise error("belief-syntax", position, "a belief is an object of shares, in JSON")
            key = item.group(1)
            if key not in self.form.user_actions or key in found:
                known = ", ".join(self.form.user_actions)
                raise error("belief-key", position, f"a belief names each of {known} once")
            position = item.end()
            share = _SHARE.match(text, position, end)
            if share is None or not float(share.group()) <= 1 + TOLERANCE:
                raise error("belief-share", position, "a share is a number from 0 to 1")
            found[key], position = float(share.group()), share.end()
            separator = _COMMA
        close = _CLOSE.match(text, position, end)
        if close is None:
            raise error("belief-syntax", position, "a belief ends with the last action's share")
        if close.end() != end:
            raise error("belief-syntax", close.end(), "the belief continues after its brace")
        total = sum(found.values())
        if not abs(total - 1) <= SLACK:
            raise error("belief-sum", start, f"the shares of a belief add up to 1, not {total:g}")
        return {action: found[action] / total for action in self.form.user_actions}


def written(belief: Mapping[str, float]) -> str:
    """A belief as `BeliefReader` reads it."""
    return json.dumps({action: round(share, 4) + 0.0 for action, share in belief.items()})
