"""Payoff matrices in a text: JSON of one matrix, or JSON Lines of several."""

from collections.abc import Mapping
from typing import Any

from gtalign.errors import GameError, PayoffError
from gtalign.game.arrays import LIMIT
from gtalign.game.bimatrix import Bimatrix, read_object
from gtalign.game.form import USER_LLM, GameForm

__all__ = ["decode_games", "form_of", "read_game", "read_games"]


def decode_games(raw: bytes, name: str, form: GameForm | None = None) -> list[Bimatrix]:
    """Return the matrices in the bytes of a file, as `read_games` does.

    Args:
        raw: UTF-8 text, which may begin with a byte order mark.
        name: Name of the file, for messages.
        form: As for `read_games`.

    Raises:
        PayoffError: The text is not UTF-8, holds no matrix, or a matrix is wrong; the message
            names file, line and cell.
    """
    try:
        return read_games(raw.decode("utf-8-sig"), form)
    except UnicodeDecodeError as error:
        raise PayoffError(f"{name}: not UTF-8 text (byte {error.start})") from None
    except PayoffError as error:
        raise PayoffError(f"{name}: {error}") from None


def read_games(text: str, form: GameForm | None = None) -> list[Bimatrix]:
    """Return the matrices of a text: one on each line, or a single one over several lines.

    Args:
        text: JSON of one matrix, or JSON Lines.
        form: The game that all of them are of. By default a matrix whose keys are not those of the
            usual game has the form that its keys span, with its actions in order of appearance.

    Raises:
        PayoffError: The text holds no matrix, or a matrix is wrong; the message names line and
            cell.
    """
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise PayoffError("no payoff matrix in it")
    if len(lines) > 1 and not _complete(lines[0][1]):
        first = lines[0][0]
        lines = [(first, "\n".join(text.split("\n")[first - 1 :]))]
    return [_game(line, number, form) for number, line in lines]


def read_game(source: str | Mapping[str, Any]) -> Bimatrix:
    """Return one matrix, of the form that its keys span.

    Args:
        source: JSON text, or the object that it holds.

    Raises:
        PayoffError: It is no matrix, or more than one; the message names the cell.
    """
    if isinstance(source, Mapping):
        found = dict(source)
        return Bimatrix.from_json(found, form_of(found), low=-LIMIT, high=LIMIT)
    games = read_games(source)
    if len(games) > 1:
        raise PayoffError(f"{len(games)} matrices where one is expected")
    return games[0]


def form_of(found: Any) -> GameForm:
    """Return the form that a matrix's keys span; the usual one if they do not span any other.

    Args:
        found: A value as JSON has it.

    Raises:
        PayoffError: The keys are not cells, or name many more actions than there are cells.
    """
    if not isinstance(found, dict) or not found:
        return USER_LLM
    pairs = [key.partition("_")[::2] for key in found]
    rows, columns = (dict.fromkeys(names) for names in zip(*pairs, strict=True))
    if set(rows) <= set(USER_LLM.user_actions) and set(columns) <= set(USER_LLM.llm_actions):
        return USER_LLM
    whole = len(rows) * len(columns) == len(found)
    if not whole and set(found) & set(USER_LLM.cells):
        return USER_LLM
    if len(rows) * len(columns) > 2 * len(found):
        raise PayoffError(
            f"{len(found)} keys do not fill the cells of {len(rows)} user actions "
            f"and {len(columns)} LLM actions"
        )
    try:
        return GameForm({name: name for name in rows}, {name: name for name in columns})
    except GameError as error:
        example = USER_LLM.cells[0]
        raise PayoffError(f"a cell's key is two action names, as in {example}; {error}") from None


def _game(text: str, line: int, form: GameForm | None) -> Bimatrix:
    found = read_object(text, first_line=line)
    try:
        return Bimatrix.from_json(found, form or form_of(found), low=-LIMIT, high=LIMIT)
    except PayoffError as error:
        named = f"game {form.name!r}: " if form is not None and form.name else ""
        raise PayoffError(f"line {line}: {named}{error}") from None


def _complete(line: str) -> bool:
    """Whether a line is JSON, so that the text is JSON Lines."""
    try:
        read_object(line)
    except PayoffError:
        return False
    return True
