"""One game: a form and the payoffs of its cells, with the JSON codec of the reasoning chain."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError, PayoffError
from gtalign.game.arrays import numbers
from gtalign.game.form import USER_LLM, GameForm

PLAYER_KEYS = ("user", "LLM")
"""Keys of the two payoffs inside a cell, in the order of the payoff array's last axis."""


@dataclass(frozen=True, eq=False, init=False)
class Bimatrix:
    """The payoffs of both players in every cell. Immutable; equal and hashed by value.

    Args:
        form: The players' actions, m of the user and n of the LLM.
        payoffs: Finite numbers of shape [m, n, 2]; ``[..., 0]`` the user's, ``[..., 1]`` the
            LLM's. Copied; the attribute is a read-only float64 array.

    Raises:
        PayoffError: Wrong shape or type, or a payoff that is not finite.
    """

    form: GameForm
    payoffs: NDArray[np.float64]

    def __init__(self, form: GameForm, payoffs: ArrayLike) -> None:
        try:
            raw = numbers("payoffs are", payoffs)
        except GameError as error:
            raise PayoffError(str(error)) from None
        if raw.shape != (*form.shape, 2):
            raise PayoffError(f"payoffs have shape {raw.shape}, the form needs {(*form.shape, 2)}")
        array_mn2 = raw + 0.0  # -0.0 becomes 0.0: equal games have equal bytes
        if not np.isfinite(array_mn2).all():
            place = int(np.flatnonzero(~np.isfinite(array_mn2))[0])
            key, player, value = (
                form.cells[place // 2],
                PLAYER_KEYS[place % 2],
                array_mn2.flat[place],
            )
            raise PayoffError(f"{key}: the {player} payoff is {value}, not a finite number")
        array_mn2.setflags(write=False)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "payoffs", array_mn2)

    @classmethod
    def unchecked(cls, form: GameForm, payoffs: NDArray[np.float64]) -> "Bimatrix":
        """A game of payoffs that were checked before, for readers of many.

        Args:
            form: The players' actions, m of the user and n of the LLM.
            payoffs: Finite float64 of shape [m, n, 2] without -0.0. Kept, not copied, and made
                read-only.
        """
        self = object.__new__(cls)
        payoffs.setflags(write=False)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "payoffs", payoffs)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bimatrix):
            return NotImplemented
        return self.form == other.form and np.array_equal(self.payoffs, other.payoffs)

    def __hash__(self) -> int:
        return hash((self.form, self.payoffs.tobytes()))

    def __reduce__(self) -> tuple[type["Bimatrix"], tuple[GameForm, NDArray[np.float64]]]:
        # Through the constructor, so that a copy is read-only as well.
        return Bimatrix, (self.form, self.payoffs)

    def cell(self, key: str) -> tuple[float, float]:
        """Payoffs (user, LLM) of the cell with this key; raises GameError if there is none."""
        user, llm = self.payoffs[self.form.index(key)]
        return float(user), float(llm)

    def to_json(self) -> dict[str, dict[str, float]]:
        """The JSON object of the reasoning chain: cell key -> ``{"LLM": .., "user": ..}``."""
        return {
            key: {"LLM": float(llm), "user": float(user)}
            for key, (user, llm) in zip(self.form.cells, self.payoffs.reshape(-1, 2), strict=True)
        }

    @classmethod
    def from_json(
        cls,
        source: str | Mapping[str, Any],
        form: GameForm = USER_LLM,
        low: float | None = None,
        high: float | None = None,
    ) -> "Bimatrix":
        """Read the JSON object that ``to_json`` writes; keys may come in any order.

        Args:
            source: JSON text, in which duplicate keys are refused, or an object read before.
            form: The form whose cells the object must have, no more and no fewer.
            low: Least payoff allowed, inclusive; None for any.
            high: Greatest payoff allowed, inclusive; None for any.

        Raises:
            PayoffError: Not JSON, not an object, a missing, unknown or duplicate key, or a payoff
                that is not a finite number in range; the message names the cell.
        """
        game = read_object(source) if isinstance(source, str) else source
        if not isinstance(game, Mapping):
            raise PayoffError(f"a payoff matrix is a JSON object, not {_kind(game)}")
        _check_keys("the matrix", game, form.cells)
        payoffs = np.empty((*form.shape, 2))
        for key in form.cells:
            cell = game[key]
            if not isinstance(cell, Mapping):
                raise PayoffError(
                    f'{key}: a cell is {{"LLM": number, "user": number}}, not {_kind(cell)}'
                )
            _check_keys(key, cell, PLAYER_KEYS)
            row, column = form.index(key)
            for side, player in enumerate(PLAYER_KEYS):
                payoffs[row, column, side] = _number(
                    f"{key}: the {player} payoff", cell[player], low, high
                )
        return cls(form, payoffs)


def read_object(text: str, first_line: int = 1) -> Any:
    """Read JSON text for ``Bimatrix.from_json``.

    Its objects remember keys given twice, and NaN and infinities become floats, so that they are
    refused later by the name of their cell.

    Args:
        text: The JSON.
        first_line: Number of its first line, for messages.

    Raises:
        PayoffError: The text is not JSON; the message says where.
    """
    try:
        return json.loads(text, object_pairs_hook=_Object, parse_constant=float)
    except json.JSONDecodeError as error:
        raise PayoffError(
            f"line {first_line + error.lineno - 1}: not JSON: {error.msg} (column {error.colno})"
        ) from None
    except RecursionError:
        raise PayoffError(f"line {first_line}: nested too deeply for a matrix") from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise PayoffError(f"line {first_line}: not a payoff matrix: {error}") from None


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(key for key, _ in pairs)
        self.repeated = [key for key, count in times.items() if count > 1]


def _check_keys(where: str, found: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    if isinstance(found, _Object) and found.repeated:
        raise PayoffError(f"{where}: duplicate key {found.repeated[0]!r}")
    missing = [key for key in wanted if key not in found]
    if missing:
        raise PayoffError(f"{where}: missing {', '.join(missing)}")
    extra = [repr(key) for key in found if key not in wanted]
    if extra:
        raise PayoffError(
            f"{where}: unknown {', '.join(extra[:5])}; the keys are {', '.join(wanted)}"
        )


def _number(where: str, value: Any, low: float | None, high: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayoffError(f"{where} is {_kind(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PayoffError(f"{where} is {number}, not a finite number")
    if (low is not None and number < low) or (high is not None and number > high):
        raise PayoffError(f"{where} is {number:g}, outside [{low}, {high}]")
    return number


def _kind(value: Any) -> str:
    """What a JSON value is, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    return "a number" if isinstance(value, int | float) else type(value).__name__
