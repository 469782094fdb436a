"""The form of a game: the players, the names of their actions, and the cells."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import GameError

TOLERANCE = 1e-9
"""Payoffs and sums of payoffs that differ by at most this count as equal, everywhere in
the package. It is absolute, and meant for payoffs that are written with a few decimals."""

Player = Literal["user", "llm"]
Actions = Mapping[str, str] | Iterable[tuple[str, str]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True, init=False)
class GameForm:
    """The actions of both players, in order, each with a description for people and models.

    A cell is one action of each player. Its key joins their names, user first: ``VQ_DA``. Names
    hold letters, digits and hyphens, so that the underscore of a key splits it in one way only.
    The two players may share a name (``C_D`` of a prisoner's dilemma).

    Args:
        user: The user's actions, name -> description, at least one.
        llm: The LLM's actions, name -> description, at least one.

    Raises:
        GameError: No action, a malformed name, or one name twice on one side.
    """

    user: tuple[tuple[str, str], ...]
    llm: tuple[tuple[str, str], ...]

    def __init__(self, user: Actions, llm: Actions) -> None:
        object.__setattr__(self, "user", _actions("user", user))
        object.__setattr__(self, "llm", _actions("llm", llm))

    @cached_property
    def user_actions(self) -> tuple[str, ...]:
        """Names of the user's actions, one for each row."""
        return tuple(name for name, _ in self.user)

    @cached_property
    def llm_actions(self) -> tuple[str, ...]:
        """Names of the LLM's actions, one for each column."""
        return tuple(name for name, _ in self.llm)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of user actions m and of LLM actions n."""
        return len(self.user), len(self.llm)

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Keys of all m * n cells, user-major; their order is the last resort of ties."""
        return tuple(f"{user}_{llm}" for user in self.user_actions for llm in self.llm_actions)

    def cell(self, row: int, column: int) -> str:
        """Key of the cell in this row (user) and column (LLM); raises IndexError outside."""
        return f"{self.user[row][0]}_{self.llm[column][0]}"

    def index(self, key: str) -> tuple[int, int]:
        """Row (user) and column (LLM) of a cell key; raises GameError if there is no such cell."""
        user, _, llm = key.partition("_")
        try:
            return self.user_actions.index(user), self.llm_actions.index(llm)
        except ValueError:
            raise GameError(
                f"unknown cell {key!r}; the cells are {', '.join(self.cells)}"
            ) from None

    def where(self, mask_mn: NDArray[np.bool_]) -> tuple[str, ...]:
        """Keys of the cells that a boolean mask of shape [m, n] selects, in cell order."""
        if mask_mn.shape != self.shape:
            raise GameError(f"a mask of shape {mask_mn.shape} does not fit a form of {self.shape}")
        return tuple(key for key, wanted in zip(self.cells, mask_mn.flat, strict=True) if wanted)

    def description(self, action: str, player: Player | None = None) -> str:
        """What an action means.

        Args:
            action: Its name.
            player: Whose; needed only if both players have an action of this name.

        Raises:
            GameError: No such action, or both players have it and no player is named.
        """
        sides = {"user": dict(self.user), "llm": dict(self.llm)}
        found = [
            actions[action]
            for side, actions in sides.items()
            if action in actions and player in (None, side)
        ]
        if not found:
            known = ", ".join(self.user_actions + self.llm_actions)
            raise GameError(f"unknown action {action!r}; the actions are {known}")
        if len(found) > 1:
            raise GameError(f"both players have an action {action!r}: name the player")
        return found[0]


def _actions(player: str, actions: Actions) -> tuple[tuple[str, str], ...]:
    """The actions of one side as checked pairs."""
    pairs = tuple((k, v) for k, v in (actions.items() if isinstance(actions, Mapping) else actions))
    if not pairs:
        raise GameError(f"the {player} needs at least one action")
    for name, _ in pairs:
        if not _NAME.fullmatch(name):
            raise GameError(
                f"the {player}'s action {name!r} is not a name of letters, digits and hyphens"
            )
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise GameError(f"the {player} has the action {name!r} twice")
    return pairs


USER_LLM = GameForm(
    user={"DQ": "detailed question", "VQ": "vague question"},
    llm={
        "AQ": "answer plus one follow-up question",
        "CQ": "clarifying question",
        "DA": "direct answer",
    },
)
"""The game of one assistant turn (GTAlign, arXiv 2510.08872, section 3)."""
