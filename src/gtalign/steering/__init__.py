"""Steering: edit the payoff matrix while the model is writing, and let it continue from there."""

from gtalign.steering.alternatives import Alternative, alternatives
from gtalign.steering.answer import Ask, Decided, Restarted, Steered, SteeringEvent, fan_out
from gtalign.steering.answers import answers
from gtalign.steering.backend import Backend, Draft, Finish, Sampling, WriteReport
from gtalign.steering.calls import Call, CallReader
from gtalign.steering.clarification import Asking, Clarify
from gtalign.steering.decision import Decision, Mode, Resume
from gtalign.steering.edit import Edit, Term, edit, fit
from gtalign.steering.expected import PRIOR, ActionTokens, TokenHistory, prior_for
from gtalign.steering.fake import FakeBackend
from gtalign.steering.flips import ChoiceInterval, flips
from gtalign.steering.incentives import Incentive, audit_policy
from gtalign.steering.observing import has_shadow, observed
from gtalign.steering.opening import OpenedBackend, open_backend
from gtalign.steering.phase import Phase, Retried
from gtalign.steering.policy import (
    Adjustment,
    Budget,
    Policy,
    Price,
    Quota,
    load_policy,
    policy_names,
)
from gtalign.steering.policy_line import policy_line, with_policy_line
from gtalign.steering.recommend import Recommendation, recommend
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions, SolutionRule
from gtalign.steering.session import Retry, Session, has_retry
from gtalign.steering.settings import SteeringSettings
from gtalign.steering.shadow import Shadow
from gtalign.steering.splice import decimals_of, splice
from gtalign.steering.steering import Steering

__all__ = [
    "PRIOR",
    "SOLUTION_RULES",
    "ActionTokens",
    "Adjustment",
    "Alternative",
    "Ask",
    "Asking",
    "Backend",
    "Budget",
    "Call",
    "CallReader",
    "ChoiceInterval",
    "Clarify",
    "Decided",
    "Decision",
    "Draft",
    "Edit",
    "FakeBackend",
    "Finish",
    "Incentive",
    "Mode",
    "OpenedBackend",
    "Phase",
    "Policy",
    "Price",
    "Quota",
    "Recommendation",
    "Restarted",
    "Resume",
    "Retried",
    "Retry",
    "RuleOptions",
    "Sampling",
    "Session",
    "Shadow",
    "SolutionRule",
    "Steered",
    "Steering",
    "SteeringEvent",
    "SteeringSettings",
    "Term",
    "TokenHistory",
    "WriteReport",
    "alternatives",
    "answers",
    "audit_policy",
    "decimals_of",
    "edit",
    "fan_out",
    "fit",
    "flips",
    "has_retry",
    "has_shadow",
    "load_policy",
    "observed",
    "open_backend",
    "policy_line",
    "policy_names",
    "prior_for",
    "recommend",
    "splice",
    "with_policy_line",
]
