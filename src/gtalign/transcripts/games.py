"""Which game an answer is of, and that it is read with no other."""

from typing import Final

from gtalign.chain import parse
from gtalign.errors import ChainError, DataError
from gtalign.game import USER_LLM, GameForm
from gtalign.transcripts.transcript import Transcript

USUAL: Final = "that of one assistant turn"
"""The game of answers that note none, in words."""


def game_of(form: GameForm) -> str:
    """Return what transcripts note of their game; empty for the usual one."""
    return "" if form == USER_LLM else form.identity


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
