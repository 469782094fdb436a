"""What a pricing policy pays the provider for: honest answers, or padding and needless turns.

The provider compares an honest answer with acts that serve nobody else: to report more tokens than
it wrote, to write more or less than is needed, and to ask although nothing is unclear. An act pays
if it changes what the user pays by more than what it changes the cost of computing. Under a price
for each token the first always pays, because reporting costs nothing (Artola Velasco and others,
"Is your LLM overcharging you?", arXiv 2505.21627). A policy under which no act pays makes the
honest answer the provider's best response, as long as users stay whatever it does.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gtalign.errors import ConfigError, SteeringError
from gtalign.game import USER_LLM, GameForm
from gtalign.steering.edit import within_quota
from gtalign.steering.expected import FULL, PRIOR, ActionTokens, prior_for
from gtalign.steering.policy import Policy, Price
from gtalign.steering.units import Amounts, money_of

log = logging.getLogger(__name__)

HONEST: Final = "honest"

ACTS: Final[Mapping[str, str]] = {
    "report": "reports more tokens than it wrote",
    "pad": "writes more than is needed",
    "ask": "asks although nothing is unclear",
    "skimp": "writes less than is needed",
}
"""Acts that are compared with the honest answer, each with its meaning. In a game of other actions
the needless action takes the place of ``ask``."""

ASKING: Final[Mapping[str, ActionTokens]] = {"ask": PRIOR["CQ"]}
"""The needless action of ``USER_LLM``: a question, and the answer that follows the reply."""

COMPUTE: Final = Price(input=0.3, output=1.5)
"""What tokens cost the provider if the policy does not say it: the price of ``subscription``."""

ANSWERS: Final = 1000
"""Amounts of money are for this many answers."""


@dataclass(frozen=True, slots=True)
class Incentive:
    """What one act brings the provider, against the honest answer.

    Attributes:
        policy: Name of the policy.
        quota: ``within`` or ``above`` the policy's quota; None if it has none.
        act: One of `ACTS`, or the name of a needless action.
        paid: What the user pays more, in currency units for 1,000 answers.
        cost: What the provider computes for more, in the same unit.
    """

    policy: str
    quota: str | None
    act: str
    paid: float
    cost: float

    @property
    def gain(self) -> float:
        """What the provider gains by the act, in currency units for 1,000 answers."""
        return self.paid - self.cost

    @property
    def pays(self) -> bool:
        """Whether the act is better for the provider than the honest answer."""
        return self.gain > 1e-9

    @property
    def why(self) -> str | None:
        """Why the act pays, in a few words; None if it does not."""
        if not self.pays:
            return None
        if self.paid > 1e-9:
            return "charged above its cost" if self.cost > 1e-9 else "charged, costs nothing"
        if self.paid < -1e-9:
            return "saves more than it loses"
        return "saves its cost"

    def to_json(self) -> dict[str, Any]:
        """The object that ``gtalign audit-policy --json`` prints."""
        return {
            "policy": self.policy,
            "quota": self.quota,
            "act": self.act,
            "paid": self.paid,
            "cost": self.cost,
            "gain": self.gain,
            "pays": self.pays,
            "why": self.why,
        }


def audit_policy(
    policy: Policy,
    *,
    padding: float = 0.1,
    compute: Price | None = None,
    honest: ActionTokens = PRIOR["DA"],
    needless: Mapping[str, ActionTokens] = ASKING,
    prompt_tokens: int = 300,
) -> tuple[Incentive, ...]:
    """Compare each act with the honest answer under a policy.

    The user pays for whatever the policy counts, by the prices and the quota that `edit` charges.
    The user's time and the points that a policy adds are no income of the provider.

    Args:
        policy: The policy.
        padding: Tokens that are reported or written beyond the honest ones, or left out, as a share
            of them, up to 1.
        compute: What tokens cost the provider; by default the price of a policy under which the
            provider pays, otherwise `COMPUTE`.
        honest: Tokens of the honest answer.
        needless: Tokens of each action that the LLM carries out although the honest answer would
            do, with what follows it; by default a question.
        prompt_tokens: Tokens of the prompt, which a further turn reads again.

    Returns:
        One `Incentive` for each act; for a policy with a quota, within it and then above it.

    Raises:
        SteeringError: The padding is no share, the number of prompt tokens is none, or a needless
            action has the name of another act.
    """
    if not 0 <= padding <= 1:
        raise SteeringError(f"padding is a share, 0 to 1, not {padding}")
    if not 0 <= prompt_tokens <= 2**53:
        raise SteeringError(f"prompt_tokens is a number of tokens, 0 to 2**53, not {prompt_tokens}")
    for act in (HONEST, "report", "pad", "skimp"):
        if act in needless:
            raise SteeringError(f"an action cannot be called {act!r} here: the audit has its own")
    if compute is None:
        compute = policy.price if policy.payer == "provider" else COMPUTE
    ratio = policy.characters_per_token
    padded, less = _scaled(honest, 1 + padding), _scaled(honest, 1 - padding)
    acts = {HONEST: honest, "pad": padded, **needless, "skimp": less}
    done = {act: use.amounts(prompt_tokens, ratio) for act, use in acts.items()}
    # A provider that reports more tokens sends the same text, which everybody can count.
    told = done["pad"]
    billed = {**done, "report": replace(done[HONEST], input=told.input, output=told.output)}
    costs = {act: money_of(compute, amounts) for act, amounts in done.items()}
    costs["report"] = costs[HONEST]
    states: tuple[tuple[str | None, int], ...] = ((None, 0),)
    if policy.quota is not None:
        states = (("within", 0), ("above", policy.quota.tokens))
    found = []
    for quota, used in states:
        paid = {act: _paid(policy, amounts, used) for act, amounts in billed.items()}
        for act in ("report", "pad", *needless, "skimp"):
            found.append(
                Incentive(
                    policy.name,
                    quota,
                    act,
                    ANSWERS * (paid[act] - paid[HONEST]),
                    ANSWERS * (costs[act] - costs[HONEST]),
                )
            )
    return tuple(found)


def audit_policies(
    policies: Sequence[Policy],
    form: GameForm,
    *,
    padding: float = 0.1,
    compute: Price | None = None,
) -> tuple[Incentive, ...]:
    """Compare each act of a game with its honest answer, under each of several policies.

    A policy that does not fit the game, such as one with a rule that does not apply, is compared as
    well, with a warning: the acts depend on its prices alone.

    Args:
        policies: The policies.
        form: The game, whose `audited` actions are compared.
        padding: As for `audit_policy`.
        compute: As for `audit_policy`.

    Raises:
        SteeringError: No action of the game counts as ``DA``, the padding is no share, or a
            needless action has the name of another act.
    """
    _, honest, needless = audited(form)
    for policy in policies:
        try:
            policy.check(form)
        except ConfigError as error:
            log.warning("%s; its prices are audited, but no answer is steered by it", error)
    return tuple(
        one
        for policy in policies
        for one in audit_policy(
            policy, padding=padding, compute=compute, honest=honest, needless=needless
        )
    )


def meanings(form: GameForm) -> dict[str, str]:
    """Return the acts that an audit compares in a game, each with its meaning.

    Raises:
        SteeringError: No action of the game counts as ``DA``.
    """
    answer, _, needless = audited(form)
    return {act: f"does {act} although {answer} would do" for act in needless} | dict(ACTS)


def audited(form: GameForm) -> tuple[str, ActionTokens, dict[str, ActionTokens]]:
    """Return what an audit compares in a game: its honest answer and its needless actions.

    The honest answer is the action that counts as ``DA``, the first if there are several. All
    others are needless where it would do; of ``USER_LLM`` the question alone is compared.

    Args:
        form: The game.

    Returns:
        The name of the honest action, its expected tokens, and those of each needless one.

    Raises:
        SteeringError: No action of the game counts as ``DA``.
    """
    if form == USER_LLM:
        return FULL, PRIOR[FULL], dict(ASKING)
    honest = next(iter(form.meant_by(FULL)), None)
    if honest is None:
        raise SteeringError(
            f"no action of the game {form.name or 'without a name'!r} counts as a full answer;"
            f' its file says of one counts_as = "{FULL}"'
        )
    tokens = prior_for(form)
    return honest, tokens.pop(honest), tokens


def _scaled(use: ActionTokens, factor: float) -> ActionTokens:
    """The same answer with more or fewer tokens of the LLM."""
    return use.model_copy(
        update={"output": use.output * factor, "follow_up": use.follow_up * factor}
    )


def _paid(policy: Policy, amounts: Amounts, used: int) -> float:
    """What the user pays for an answer, in currency units."""
    within = within_quota(policy, amounts, used)
    paid = money_of(policy.price, amounts) * within if policy.payer == "user" else 0.0
    if policy.quota is not None:
        paid += money_of(policy.quota.price, amounts) * (1 - within)
    return paid
