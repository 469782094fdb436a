"""The terms of an answer: its key, its policy and its limits."""

from dataclasses import dataclass, replace
from typing import Any

from gtalign.gateway.keys import Key
from gtalign.gateway.served import Served
from gtalign.gateway.settings import Show
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Policy


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a request is answered; `Gateway.terms` settles them.

    Args:
        id: The id of the answer and of its record.
        request_id: The request's id.
        key: Who asks.
        policy: The policy in force.
        show: What the client sees of the chain.
        model: The model's name as the client gave it.
        served: The model, with the engines that can answer.
    """

    id: str
    request_id: str
    key: Key
    policy: Policy
    show: Show
    model: str
    served: Served

    def numbered(self, number: int) -> "Terms":
        """The terms of one of several answers to a request; the first has the request's own."""
        return self if number == 0 else replace(self, id=f"{self.id}-{number}")

    def headers(self) -> dict[str, str]:
        """The part of an answer's record that is known before the answer is written."""
        return {
            "x-gtalign-decision": self.id,
            "x-gtalign-policy": self.policy.name,
            "x-gtalign-policy-hash": self.policy.hash,
        }

    def traced(self, upstream: Upstream) -> dict[str, Any]:
        """Attributes of a request in a trace.

        Args:
            upstream: The engine that answers.
        """
        return {
            "gen_ai.provider.name": upstream.kind,
            "gen_ai.request.model": self.model,
            "gen_ai.response.model": upstream.model,
            "gen_ai.response.id": self.id,
            "gtalign.decision": self.id,
            "gtalign.policy": self.policy.name,
            "gtalign.policy_hash": self.policy.hash,
        }
