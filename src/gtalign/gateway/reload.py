"""Read the configuration of a running gateway again, with its keys and policies."""

import logging
from collections.abc import Callable
from typing import Final

from gtalign.errors import GTAlignError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.policies import read_policies
from gtalign.gateway.served import forms_of
from gtalign.gateway.settings import GatewayConfig

log = logging.getLogger(__name__)

RENEWED: Final = (
    *("upstream", "models", "policies", "default_policy", "groups", "dry_runs", "show", "steering"),
    *("timeouts", "limits"),
)
"""Keys of the configuration that change while the gateway runs; others need a restart."""


async def reload(gateway: Gateway, read: Callable[[], GatewayConfig]) -> None:
    """Put a new configuration in force, and what the store holds of keys and policies now.

    Either all of it is in force afterwards or, if anything in it is wrong, none of it: the log says
    why. Answers on their way are written as they were begun.

    Args:
        gateway: The gateway.
        read: Reads the configuration.
    """
    before = gateway.config
    try:
        wanted = read()
        policies = read_policies(wanted.policies, forms_of(wanted))
        gateway.policies.check_default(policies, wanted.default_policy)
        gateway.policies.check_named(wanted, policies)
        await gateway.keys.reload()
        await gateway.policies.reload()
        await gateway.models.renew(wanted)  # the last that can be wrong
        gateway.policies.forms = gateway.models.forms
        await gateway.policies.renew(policies, wanted.default_policy)
    except GTAlignError as error:
        log.error("the new configuration is refused, the old one stays: %s", error)
        return
    changed = [name for name in RENEWED if getattr(wanted, name) != getattr(before, name)]
    config = before.model_copy(update={name: getattr(wanted, name) for name in changed})
    gateway.config = config
    gateway.limits.renew(config.limits)
    log.info("the configuration was read again; new: %s", ", ".join(changed) or "nothing")
    others = [name for name in type(wanted).model_fields if name not in RENEWED]
    left = [name for name in others if getattr(wanted, name) != getattr(before, name)]
    if left:
        log.warning("these need a restart, and stay as they were: %s", ", ".join(left))
