"""The strategic game between a user and an LLM: its form, its payoffs and its solutions."""

from gtalign.game.bimatrix import Bimatrix
from gtalign.game.cells import (
    best_responses,
    dominated,
    is_trap,
    maximin,
    pareto_frontier,
    pure_nash,
    social_optimum,
    stackelberg,
)
from gtalign.game.form import TOLERANCE, USER_LLM, GameForm

__all__ = [
    "TOLERANCE",
    "USER_LLM",
    "Bimatrix",
    "GameForm",
    "best_responses",
    "dominated",
    "is_trap",
    "maximin",
    "pareto_frontier",
    "pure_nash",
    "social_optimum",
    "stackelberg",
]
