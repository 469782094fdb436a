"""Steering: edit the payoff matrix while the model is writing, and let it go on from there."""

from gtalign.steering.acted import acted
from gtalign.steering.backend import Backend, Draft, Finish, Report, Sampling
from gtalign.steering.decision import Decision, Mode, Phase, Resume
from gtalign.steering.edit import Edit, Term, edit, fit
from gtalign.steering.expected import PRIOR, ActionTokens, TokenHistory, prior_for
from gtalign.steering.policy import Adjustment, Policy, Price, Quota, load_policy, policy_names
from gtalign.steering.recommend import Recommendation, recommend
from gtalign.steering.splice import decimals_of, splice

__all__ = [
    "PRIOR",
    "ActionTokens",
    "Adjustment",
    "Backend",
    "Decision",
    "Draft",
    "Edit",
    "Finish",
    "Mode",
    "Phase",
    "Policy",
    "Price",
    "Quota",
    "Recommendation",
    "Report",
    "Resume",
    "Sampling",
    "Term",
    "TokenHistory",
    "acted",
    "decimals_of",
    "edit",
    "fit",
    "load_policy",
    "policy_names",
    "prior_for",
    "recommend",
    "splice",
]
