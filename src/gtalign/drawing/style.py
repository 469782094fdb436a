"""The look that report and dashboard share."""

from functools import cache
from importlib.resources import files
from typing import Final

COLOURS: Final = tuple(f"c{number}" for number in range(8))
"""Classes of colours that are told apart, in the light and in the dark; the first one is the
accent, the second grey."""

ACTIONS: Final = ("c4", "c5", "c3", "c6", "c7", "c2")
"""Classes of the LLM's actions, in their order: neither of a player's own colour."""


def action_colour(place: int) -> str:
    """Class of the colour of the LLM's action at a place; from the seventh on they repeat."""
    return ACTIONS[place % len(ACTIONS)]


@cache
def stylesheet() -> str:
    """The rules of CSS for everything that is drawn, with the variables of both schemes."""
    return files(__package__).joinpath("drawing.css").read_text(encoding="utf-8")
