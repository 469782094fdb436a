"""Dry runs: what other policies would have chosen for an answer that is complete."""

import asyncio
import logging
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from gtalign.errors import GTAlignError
from gtalign.gateway.answers.account import Account
from gtalign.gateway.gateway import Gateway
from gtalign.steering import Decision, Policy, Recommendation, edit, fit, recommend

log = logging.getLogger(__name__)

_DIFFERS = {True: "true", False: "false", None: "unknown"}


def offer_dry_runs(gateway: Gateway, account: Account, decision: Decision) -> None:
    """Try the policies of the configuration on an answer, if it is one of their samples.

    The answer is out by then, and no model is asked: a policy is applied to the matrix that the
    answer stated. What it would have chosen is added to the record.

    Args:
        gateway: Who answers.
        account: Keeps the record of the answer.
        decision: The decision about it.
    """
    names = [
        name for name, share in gateway.config.dry_runs.items() if _drawn(decision, name, share)
    ]
    if not names or not account.recorded:
        return

    async def work() -> None:
        for name in names:
            try:
                policy = gateway.policies.get(name)
                row = await asyncio.to_thread(_row, gateway, account, decision, policy)
            except GTAlignError as error:
                log.warning("the dry run of %r failed: %s", name, error)
                continue
            account.log.dry_runs = (*account.log.dry_runs, row)
            gateway.metrics.dry_runs.add(1, name, _DIFFERS[row["differs"]])
        account.amend(decision)

    gateway.dry_runs.begin(work)


def would_choose(
    decision: Decision, policy: Policy, *, low: float, high: float
) -> Recommendation | None:
    """What a policy would have chosen for an answer; None if its matrix is unknown.

    Args:
        decision: The decision about the answer.
        policy: The policy.
        low: Least payoff, as for `fit`.
        high: Greatest payoff.
    """
    if decision.stated is None or decision.decimals is None:
        return None
    exact = edit(
        decision.stated,
        policy,
        decision.expected,
        prompt_tokens=decision.prompt_tokens or 0,
        used_tokens=decision.used_tokens,
    )
    return recommend(
        fit(exact, decimals=decision.decimals, low=low, high=high).edited, policy, low=low
    )


def _row(
    gateway: Gateway, account: Account, decision: Decision, policy: Policy
) -> Mapping[str, Any]:
    """The row of `tables.dry_runs` for one policy."""
    settings, found = gateway.config.steering, None
    if not settings.told_prices:  # such a matrix knows the prices of the policy in force
        found = would_choose(decision, policy, low=settings.low, high=settings.high)
    live, use = decision.after, account.use
    known = live is not None and found is not None
    return {
        "id": account.log.id,
        "policy": policy.name,
        "policy_hash": policy.hash,
        "at": account.log.at,
        "live": decision.policy,
        "live_action": None if live is None else live.action,
        "cell": None if found is None else found.cell,
        "action": None if found is None else found.action,
        "differs": found.action != live.action if live and found and known else None,
        "live_money": None if use is None else use.spent(account.log.policy).money,
        "money": None if use is None else use.spent(policy).money,
    }


def _drawn(decision: Decision, name: str, share: float) -> bool:
    """Whether an answer is one of the sample of a policy: equal ids have equal draws."""
    key = f"{decision.id} {name}".encode("utf-8", "replace")
    return int.from_bytes(blake2b(key, digest_size=4).digest()) < share * 2**32
