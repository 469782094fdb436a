"""The form of a game: the players, the names of their actions, and the cells."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import GameError
from gtalign.game.traits import NO_TRAITS, Sign, Traits

TOLERANCE = 1e-9
"""Payoffs and sums of payoffs that differ by at most this count as equal, everywhere in
the package. It is absolute, and meant for payoffs that are written with a few decimals."""

Player = Literal["user", "llm"]
"""Who acts: the user, whose actions are the rows, or the LLM."""
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
        traits: What is known of LLM actions, by name; see `Traits`.
        name: Name of the game, for records and people; empty for none.
        user_counts_as: The actions of the user in ``USER_LLM`` that policies mean by actions of
            this game, by name.

    Raises:
        GameError: No action, a malformed name, one name twice on one side, traits of an action that
            there is not, or two actions with one sign.
    """

    user: tuple[tuple[str, str], ...]
    llm: tuple[tuple[str, str], ...]
    traits: tuple[Traits, ...]
    name: str
    user_counts_as: tuple[str | None, ...]

    def __init__(
        self,
        user: Actions,
        llm: Actions,
        traits: Mapping[str, Traits] | None = None,
        name: str = "",
        user_counts_as: Mapping[str, str] | None = None,
    ) -> None:
        object.__setattr__(self, "user", _actions("user", user))
        object.__setattr__(self, "llm", _actions("llm", llm))
        object.__setattr__(self, "traits", _traits(self.llm_actions, traits or {}))
        object.__setattr__(self, "name", name)
        counts = user_counts_as or {}
        for action in counts:
            if action not in self.user_actions:
                known = ", ".join(self.user_actions)
                raise GameError(f"{action!r} counts as {counts[action]!r}; the user has {known}")
        object.__setattr__(self, "user_counts_as", tuple(map(counts.get, self.user_actions)))

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
    def identity(self) -> str:
        """The name and the actions in one line, by which records say which game they are of.

        Descriptions and traits are no part of it: better words make no other game.
        """
        rows, columns = " ".join(self.user_actions), " ".join(self.llm_actions)
        return f"{self.name or 'unnamed'}: {rows} x {columns}"

    @cached_property
    def signs(self) -> tuple[tuple[str, Sign], ...]:
        """The LLM actions that can be read from a response, each with its sign."""
        pairs = zip(self.llm_actions, self.traits, strict=True)
        return tuple((action, known.sign) for action, known in pairs if known.sign is not None)

    def traits_of(self, action: str) -> Traits:
        """What is known of an LLM action; raises GameError if there is no such action."""
        if action not in self.llm_actions:
            raise GameError(
                f"unknown LLM action {action!r}; there are {', '.join(self.llm_actions)}"
            )
        return self.traits[self.llm_actions.index(action)]

    def meant_by(self, action: str, player: Player = "llm") -> tuple[str, ...]:
        """The actions that a name means: the one of this name, or all that count as it.

        Args:
            action: The name of an action of this game, or of ``USER_LLM``.
            player: Whose action it is.

        Returns:
            Names of actions of this game, in its order; none for any other name.

        Raises:
            GameError: There is no such player.
        """
        if known_player("the player is", player) == "user":
            actions, counts = self.user_actions, self.user_counts_as
        else:
            actions, counts = self.llm_actions, tuple(known.counts_as for known in self.traits)
        if action in actions:
            return (action,)
        return tuple(own for own, count in zip(actions, counts, strict=True) if count == action)

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Keys of all m * n cells, user-major; their order is the last resort of ties."""
        return tuple(f"{user}_{llm}" for user in self.user_actions for llm in self.llm_actions)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        m, n = self.shape
        return {self.cell(row, column): (row, column) for row in range(m) for column in range(n)}

    def cell(self, row: int, column: int) -> str:
        """Key of the cell in this row (user) and column (LLM); raises IndexError outside."""
        return f"{self.user[row][0]}_{self.llm[column][0]}"

    def index(self, key: str) -> tuple[int, int]:
        """Row (user) and column (LLM) of a cell key; raises GameError if there is no such cell."""
        try:
            return self._places[key]
        except KeyError:
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
            GameError: No such action or player, or both players have it and no player is named.
        """
        if player is not None:
            known_player("the player is", player)
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


def known_player(what: str, player: Player) -> Player:
    """A player as it was given.

    Args:
        what: Which one it is, with a verb, for the message.
        player: The player.

    Raises:
        GameError: It is neither ``user`` nor ``llm``.
    """
    if not isinstance(player, str) or player not in get_args(Player):
        raise GameError(f"{what} user or llm, not {player!r}")
    return player


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


def _traits(actions: tuple[str, ...], given: Mapping[str, Traits]) -> tuple[Traits, ...]:
    """The traits of every action, in order."""
    unknown = [name for name in given if name not in actions]
    if unknown:
        raise GameError(f"traits of {unknown[0]!r}; the LLM's actions are {', '.join(actions)}")
    owners: dict[Sign, str] = {}
    for action, known in given.items():
        if known.sign is not None and not all(text.strip() for text in known.sign.texts):
            raise GameError(f"the sign of {action} holds an empty text, which is in any response")
        if known.sign is not None and owners.setdefault(known.sign, action) != action:
            raise GameError(
                f"the actions {owners[known.sign]} and {action} have the same sign, so no response"
                " could tell them apart"
            )
    return tuple(given.get(action, NO_TRAITS) for action in actions)


USER_LLM = GameForm(
    user={"DQ": "detailed question", "VQ": "vague question"},
    llm={
        "AQ": "answer plus one follow-up question",
        "CQ": "clarifying question",
        "DA": "direct answer",
    },
    traits={
        "AQ": Traits(sign=Sign(asks="also")),
        "CQ": Traits(sign=Sign(asks="only")),
        "DA": Traits(sign=Sign(asks="no")),
    },
)
"""The game of one assistant turn (GTAlign, arXiv 2510.08872, section 3)."""
