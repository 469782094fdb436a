"""Which game an answer is of, and that it is read with no other."""

from typing import Final

from gtalign.chain import parse
from gtalign.errors import ChainError, DataError, GameError
from gtalign.game import USER_LLM, GameForm
from gtalign.transcripts.transcript import Transcript

USUAL: Final = "that of one assistant turn"
"""The game of answers that note none, in words."""


def game_of(form: GameForm) -> str:
    """Return what transcripts note of their game; empty for the usual one."""
    return "" if form == USER_LLM else form.identity


def noted_form(noted: str) -> GameForm:
    """Return the actions of a game that a transcript notes, without what they mean.

    Args:
        noted: As `game_of` returns it.

    Raises:
        DataError: It names no game.
    """
    if not noted:
        return USER_LLM
    name, _, actions = noted.partition(": ")
    users, _, llms = actions.partition(" x ")
    try:
        rows, columns = ([(action, "") for action in side.split()] for side in (users, llms))
        return GameForm(rows, columns, name=name)
    except GameError as error:
        raise DataError(f"{noted[:80]!r} names no game: {error}") from error


def check_game(transcript: Transcript, form: GameForm) -> None:
    """Check that an answer is not of another game.

    Its note says which game it is of, else the cells of its chain do, else a chain of the usual
    game in its text. Plain answers without a note are of any game.

    Raises:
        DataError: It is of another game; the message names both.
    """
    mine, noted = game_of(form), transcript.game
    if noted:
        same = noted == mine
    elif transcript.chain is not None:
        same = set(transcript.chain["payoff"]) == set(form.cells)
    else:
        same = not mine or transcript.plain or not _is_usual(transcript.completion)
    if not same:
        other = noted or (USUAL if mine else "one of other cells")
        raise DataError(
            f"answer {transcript.id!r} is of another game: {other}, not {mine or USUAL};"
            " --game, or the key game of a configuration, names the game"
        )


def _is_usual(text: str) -> bool:
    try:
        parse(text, tolerant=True)
    except ChainError:
        return False
    return True
