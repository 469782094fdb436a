"""The shadow of one answer that was only observed: the chain that its record gains."""

import logging
from dataclasses import replace

from gtalign.errors import SteeringError
from gtalign.gateway.answers.account import Account
from gtalign.gateway.answers.dry_run import offer_dry_runs
from gtalign.gateway.gateway import Gateway
from gtalign.steering import Ask, Shadow, Steered, Steering, has_shadow

log = logging.getLogger(__name__)


def offer_shadow(
    gateway: Gateway, account: Account, steering: Steering, ask: Ask, answer: Steered
) -> bool:
    """Begin the shadow of an answer that is complete, if it is one of the sample.

    What the shadow takes is the operator's: it counts for no key, and the record keeps it apart.

    Args:
        gateway: Who answers.
        account: Keeps the record of the answer.
        steering: How the answer was observed.
        ask: The request.
        answer: The answer.

    Returns:
        Whether it is one of the sample. Policies are then tried on the shadow's matrix.
    """
    if not account.recorded or not has_shadow(answer, steering.settings, answer.decision.id):
        return False

    async def work() -> None:
        shadow = Shadow(steering, ask, answer)
        try:
            decision = (await shadow.answer()).decision
        except SteeringError as error:
            log.warning("a shadow failed: %s", type(error).__name__)
            why = "no chain: it was asked for, but that failed"
            failed = replace(answer.decision, reason=why)
            account.amend(failed)
            offer_dry_runs(gateway, account, failed)
            return
        gateway.metrics.decided(decision)
        written = [phase for phase in decision.phases if phase.shadow]
        read = [phase.prompt_tokens for phase in written]
        gateway.metrics.tokens.add(sum(count for count in read if count is not None), "read")
        gateway.metrics.uncounted.add(int(None in read), "read")
        gateway.metrics.tokens.add(sum(p.tokens for p in written), "written")
        account.amend(decision)
        offer_dry_runs(gateway, account, decision)

    gateway.shadows.begin(work)
    return True
