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
from gtalign.game.clarify import Clarification, clarify, clarify_turns
from gtalign.game.commitment import Commitment, commit, commitment_gain
from gtalign.game.diagnostics import (
    deviation_gains,
    equilibrium_welfare,
    misread_loss,
    price_of_anarchy,
    welfare_gap,
)
from gtalign.game.epochs import ClarifyingQuestion, DecisionEpoch
from gtalign.game.equilibria import Equilibria, equilibria
from gtalign.game.form import TOLERANCE, USER_LLM, GameForm
from gtalign.game.quantal import noisy_leader, quantal_equilibrium
from gtalign.game.repeated import critical_discount
from gtalign.game.replies import clarifying_move
from gtalign.game.robustness import optimum_radius, response_radius
from gtalign.game.signalling import SignallingEquilibria, signalling_equilibria
from gtalign.game.solution import Equilibrium, Lead, Solution
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
    "ClarifyingQuestion",
    "Commitment",
    "DecisionEpoch",
    "Equilibria",
    "Equilibrium",
    "GameForm",
    "Lead",
    "Payoffs",
    "SignallingEquilibria",
    "Solution",
    "belief_payoffs",
    "belief_response",
    "best_responses",
    "ces",
    "ces_optimum",
    "clarify",
    "clarify_turns",
    "clarifying_move",
    "cobb_douglas",
    "commit",
    "commitment_gain",
    "critical_discount",
    "deviation_gains",
    "dominated",
    "equilibria",
    "equilibrium_welfare",
    "is_trap",
    "maximin",
    "misread_loss",
    "nash_bargaining",
    "noisy_leader",
    "optimum_radius",
    "pareto_frontier",
    "perfect_information",
    "posterior",
    "price_of_anarchy",
    "pure_nash",
    "quantal_equilibrium",
    "response_radius",
    "sample_information",
    "signalling_equilibria",
    "social_optimum",
    "solve",
    "stackelberg",
    "utilitarian",
    "vertex_pairs",
    "welfare_gap",
    "worth_asking",
]
