"""Under which terms a request is answered."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from starlette.datastructures import Headers

from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.keys import Key
from gtalign.gateway.settings import Show
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Policy


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a request is answered.

    Args:
        id: Of the answer and of its record.
        request_id: Of the request.
        key: Who asks.
        policy: In force.
        show: What the client sees of the chain.
        model: The model's name as the client gave it.
    """

    id: str
    request_id: str
    key: Key
    policy: Policy
    show: Show
    model: str

    def headers(self) -> dict[str, str]:
        """What is known of an answer before it is written."""
        return {
            "x-gtalign-decision": self.id,
            "x-gtalign-policy": self.policy.name,
            "x-gtalign-policy-hash": self.policy.hash,
        }

    def traced(self, upstream: Upstream) -> dict[str, Any]:
        """Attributes of a request in a trace."""
        return {
            "gen_ai.provider.name": upstream.kind,
            "gen_ai.request.model": self.model,
            "gen_ai.response.model": upstream.model,
            "gen_ai.response.id": self.id,
            "gtalign.decision": self.id,
            "gtalign.policy": self.policy.name,
            "gtalign.policy_hash": self.policy.hash,
        }


def terms_of(
    gateway: Gateway, headers: Headers, key: Key, model: str, *, id: str, request_id: str
) -> Terms:
    """Settle the terms of a request.

    Raises:
        APIError: It names a model, a policy or a way to show chains that there is not.
    """
    show = headers.get("x-gtalign-show", gateway.config.show)
    if show not in get_args(Show):
        raise APIError(400, f"X-GTAlign-Show has to be one of {', '.join(get_args(Show))}")
    policy = gateway.chosen(model, headers, key)
    return Terms(id, request_id, key, policy, cast(Show, show), model)
