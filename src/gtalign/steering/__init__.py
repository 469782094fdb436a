"""Steering: edit the payoff matrix while the model is writing, and let it go on from there."""

from gtalign.steering.backend import Backend, Draft, Finish, Report, Sampling
from gtalign.steering.policy import Adjustment, Policy, Price, Quota, load_policy, policy_names

__all__ = [
    "Adjustment",
    "Backend",
    "Draft",
    "Finish",
    "Policy",
    "Price",
    "Quota",
    "Report",
    "Sampling",
    "load_policy",
    "policy_names",
]
