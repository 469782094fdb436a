"""The strategic game between a user and an LLM: its form, its payoffs and its solutions."""

from gtalign.game.arrays import Payoffs
from gtalign.game.belief import (
    belief_payoffs,
    belief_response,
    perfect_information,
    posterior,
    sample_information,
    worth_asking,
)
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
from gtalign.game.clarify import Clarification, Question, clarify
from gtalign.game.diagnostics import (
    deviation_gains,
    equilibrium_welfare,
    misread_loss,
    price_of_anarchy,
    welfare_gap,
)
from gtalign.game.equilibria import Equilibria, equilibria
from gtalign.game.form import TOLERANCE, USER_LLM, GameForm
from gtalign.game.solution import Equilibrium, Solution
from gtalign.game.solve import solve
from gtalign.game.vertices import vertex_pairs
from gtalign.game.welfare import (
    ces,
    ces_optimum,
    cobb_douglas,
    nash_bargaining,
    utilitarian,
)

__all__ = [
    "TOLERANCE",
    "USER_LLM",
    "Bimatrix",
    "Clarification",
    "Equilibria",
    "Equilibrium",
    "GameForm",
    "Payoffs",
    "Question",
    "Solution",
    "belief_payoffs",
    "belief_response",
    "best_responses",
    "ces",
    "ces_optimum",
    "clarify",
    "cobb_douglas",
    "deviation_gains",
    "dominated",
    "equilibria",
    "equilibrium_welfare",
    "is_trap",
    "maximin",
    "misread_loss",
    "nash_bargaining",
    "pareto_frontier",
    "perfect_information",
    "posterior",
    "price_of_anarchy",
    "pure_nash",
    "sample_information",
    "social_optimum",
    "solve",
    "stackelberg",
    "utilitarian",
    "vertex_pairs",
    "welfare_gap",
    "worth_asking",
]
