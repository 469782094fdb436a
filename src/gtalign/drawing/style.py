"""Colours and style sheet that report and dashboard share."""

from functools import cache
from importlib.resources import files
from typing import Final

COLOURS: Final = tuple(f"c{number}" for number in range(8))
"""Classes of distinct colours, in the light and in the dark scheme; the first is the accent, the
second grey."""

ACTIONS: Final = ("c4", "c5", "c3", "c6", "c7", "c2")
"""Colour classes of the LLM's actions, in their order; none is a player's colour."""


def action_colour(place: int) -> str:
    """Colour class of the LLM's action at a place; from the seventh on they repeat."""
    return ACTIONS[place % len(ACTIONS)]


@cache
def stylesheet() -> str:
    """The rules of CSS for everything that is drawn, with the variables of both schemes."""
    return files(__package__).joinpath("drawing.css").read_text(encoding="utf-8")
