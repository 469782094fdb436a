"""Beliefs over the user's actions, as rules take them: by name, in text, and as an array."""

import re
from collections.abc import Mapping
from typing import Final

from gtalign.errors import GameError
from gtalign.game import GameForm
from gtalign.game.arrays import Payoffs
from gtalign.game.belief import probabilities

_SHARE: Final = re.compile(
    r"\s*([A-Za-z0-9-]{1,80})\s*=\s*([0-9]{1,20}|[0-9]{0,20}\.[0-9]{1,20})\s*"
)


def ordered(belief: Mapping[str, float] | None, form: GameForm) -> Payoffs | None:
    """A belief in the order of a game's rows, ``[m]``; None for none.

    Raises:
        GameError: It is not about the game's actions of the user, or its shares are no
            probabilities.
    """
    if belief is None:
        return None
    if set(belief) != set(form.user_actions):
        about = ", ".join(belief)[:200] or "nothing"
        raise GameError(f"a belief is about {', '.join(form.user_actions)}, not {about}")
    return probabilities("a belief", [belief[action] for action in form.user_actions], 1)


def read_belief(text: str) -> dict[str, float]:
    """Read a belief as a command line has it, such as ``DQ=0.7,VQ=0.3``.

    Raises:
        GameError: The text is none.
    """
    belief = {}
    for part in text.split(","):
        found = _SHARE.fullmatch(part)
        if found is None:
            raise GameError(f"a belief is written as DQ=0.7,VQ=0.3, not {text[:80]!r}")
        if found[1] in belief:
            raise GameError(f"the belief {text[:80]!r} names {found[1]} twice")
        belief[found[1]] = float(found[2])
    return belief
