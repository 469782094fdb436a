"""Read the columns of a line by the types of their fields."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gtalign.errors import DataError
from gtalign.judges import Verdict
from gtalign.tasks import Message
from gtalign.tasks.content import check_finite
from gtalign.tasks.question import read_messages


def read_column(type: Any, value: Any, name: str) -> Any:
    """Return the value of a field from that of its column.

    Args:
        type: Type of the field.
        value: Value of the column.
        name: Name of both.

    Raises:
        DataError: The value is of the wrong kind; the message names the column.
    """
    return _READERS[type](value, name)


def read_number(value: Any, name: str) -> float | None:
    """Return a number from outside, or None for null and for NaN.

    Raises:
        DataError: It is something else, infinite, or too large for a float; names the column.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"column {name!r} has to be a number or null, not {value!r}")
    check_finite(value, name)
    return None if value != value else float(value)


def check_chain(chain: Any) -> None:
    """Check the blocks of a chain, or None.

    Raises:
        DataError: A block is of the wrong kind; names the column.
    """
    if chain is None:
        return
    for name in ("thinking", "analyze", "response"):
        if not isinstance(chain.get(name), str):
            raise DataError(f"column 'chain.{name}' has to be text")
    check_matrix(chain.get("payoff"), "chain.payoff")
    if chain.get("belief") is not None:
        _check_belief(chain["belief"])


def check_extra(extra: Mapping[str, Any]) -> None:
    """Check the facts that measures read; other facts are not checked.

    Raises:
        DataError: A fact is of the wrong kind; names the column.
    """
    if not isinstance(extra.get("user_action", ""), str | None):
        raise DataError("column 'extra.user_action' has to be text")
    if extra.get("true_payoff") is not None:
        check_matrix(extra["true_payoff"], "extra.true_payoff")


def _check_belief(belief: Any) -> None:
    if not isinstance(belief, Mapping) or not belief:
        raise DataError("column 'chain.belief' has to be a belief, an object of shares")
    for action, share in belief.items():
        number = read_number(share, f"chain.belief.{action}")
        if number is None or not 0 <= number <= 1:
            raise DataError(f"column 'chain.belief.{action}' has to be a number from 0 to 1")


def check_matrix(matrix: Any, name: str) -> None:
    """Check a payoff matrix in its JSON form.

    Raises:
        DataError: It is none, or a payoff is not a finite number; names the cell.
    """
    if not isinstance(matrix, Mapping) or not matrix:
        raise DataError(f"column {name!r} has to be a payoff matrix, an object of cells")
    for key, cell in matrix.items():
        for player in ("user", "LLM"):
            payoff = cell.get(player) if isinstance(cell, Mapping) else None
            number = read_number(payoff, f"{name}.{key}.{player}")
            if number is None:
                raise DataError(f"column '{name}.{key}.{player}' has to be a finite number")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"column {name!r} has to be text")
    return value


def _truth(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise DataError(f"column {name!r} has to be true or false")
    return value


def _whole(value: Any, name: str) -> int:
    if type(value) is not int:
        raise DataError(f"column {name!r} has to be a whole number or null")
    check_finite(value, name)
    return value


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"column {name!r} has to be an object")
    check_finite(value, name)
    return value


def _numbers(value: Any, name: str) -> Mapping[str, Any]:
    found = _object(value, name)
    numbers = {key: read_number(number, f"{name}.{key}") for key, number in found.items()}
    return {key: None if numbers[key] is None else value for key, value in found.items()}


def _messages(value: Any, name: str) -> tuple[Message, ...]:
    return read_messages(value, name) if value else ()


def _verdicts(value: Any, name: str) -> tuple[Verdict, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, Mapping) for v in value):
        raise DataError(f"column {name!r} has to be a list of objects")
    return tuple(Verdict.from_json(verdict) for verdict in value)


_READERS: Final[Mapping[Any, Callable[[Any, str], Any]]] = {
    str: _text,
    str | None: _text,
    bool: _truth,
    int | None: _whole,
    float | None: read_number,
    Mapping[str, Any]: _object,
    Mapping[str, Any] | None: _object,
    Mapping[str, int]: _numbers,
    Mapping[str, float | None]: _numbers,
    tuple[Message, ...]: _messages,
    tuple[Verdict, ...]: _verdicts,
}
