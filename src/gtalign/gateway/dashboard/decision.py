"""The page of one decision, with everything that explains it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gtalign.chain import parse
from gtalign.config import dump
from gtalign.errors import ChainError, DataError, GameError
from gtalign.game import USER_LLM, GameForm
from gtalign.gateway.dashboard.obeyed import verdict_of
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.steering import Alternative, Decision, Policy, alternatives
from gtalign.steering.edit import FITTING, PLAYERS


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the prompt.

    Args:
        role: Who said it.
        text: What; parts that are no text as JSON.
    """

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """The points that one term added, or all of them.

    Args:
        name: Name of the term.
        player: Whose payoffs.
        amounts: Points by cell, in the order of the cells; None where it added nothing.
        why: Reason in words.
        fitting: Whether it only makes the matrix writable.
    """

    name: str
    player: str
    amounts: tuple[float | None, ...]
    why: str
    fitting: bool


async def show(visit: Visit) -> Page:
    """One decision.

    Raises:
        APIError: There is none of this id (404).
    """
    gateway = visit.gateway
    record, decision = await on_record(gateway, visit.path_params["id"])
    policy = await gateway.policies.version(record["policy_hash"])
    in_use = record["policy"] in gateway.policies.names()
    blocks, problem = blocks_of(record["answer"], decision.form, belief=decision.belief is not None)
    rules = rules_of(decision, policy, gateway.config.steering.low)
    key = gateway.keys.get(record["key_id"])
    after = decision.after
    equilibria = () if after is None else after.equilibria
    shown = {
        "mixed": [e for e in equilibria if len(e.user) > 1 or len(e.llm) > 1],
        "record": record,
        "decision": decision,
        "verdict": verdict_of(decision, record["status"]),
        "said": messages_of(record["prompt"]),
        "blocks": blocks,
        "problem": problem,
        "texts": gateway.config.audit.texts,
        "changes": changes_of(decision),
        "rules": rules,
        "prior": None if policy is None or policy.prior is None else dict(policy.prior),
        "key": record["key_id"] if key is None else key.name,
        "policy": None
        if policy is None
        else dump(policy.model_copy(update={"name": record["policy"]})),
        "current": in_use and gateway.policies.get(record["policy"]).hash == record["policy_hash"],
    }
    return Page("decision.jinja", shown)


async def on_record(gateway: Gateway, id_: str) -> tuple[dict[str, Any], Decision]:
    """A record, and the decision in it.

    Raises:
        APIError: There is none of this id (404), or it cannot be read (500).
    """
    record = await gateway.decision(id_)
    if record is None:
        raise APIError(404, f"there is no decision {id_[:80]!r}", code="not_found")
    try:
        return record, Decision.from_json(record["decision"])
    except DataError as error:
        raise APIError(500, f"the record of {id_!r} cannot be read: {error}") from error


def messages_of(prompt: Any) -> list[Said] | None:
    """The messages of a prompt, in any form that a client sent; None if they are not kept."""
    if prompt is None:
        return None
    found = []
    for message in prompt if isinstance(prompt, list) else [prompt]:
        if isinstance(message, Mapping) and isinstance(message.get("content"), str):
            found.append(Said(str(message.get("role", "")), message["content"]))
        else:
            role = str(message.get("role", "")) if isinstance(message, Mapping) else ""
            found.append(Said(role, json.dumps(message, ensure_ascii=False, indent=2)))
    return found


def blocks_of(
    answer: str | None, form: GameForm = USER_LLM, *, belief: bool = False
) -> tuple[Sequence[tuple[str, str]], str | None]:
    """The blocks of an answer's chain but its matrix, or the whole answer and what breaks it."""
    if answer is None:
        return (), None
    try:
        chain = parse(answer, form, tolerant=True, belief=belief)
    except ChainError as error:
        return (("the whole text", answer),), str(error)
    return (
        ("thinking", chain.thinking),
        ("analyze", chain.analyze),
        ("response", chain.response),
    ), None


def rules_of(decision: Decision, policy: Policy | None, low: float) -> tuple[Alternative, ...]:
    """What every rule would have chosen in the edited matrix; nothing where there is none.

    Without the policy on record, the rules get no more than the matrix and the belief.
    """
    if decision.stated is None or decision.edited is None:
        return ()
    if policy is None:
        policy = Policy(name="unknown", payer="nobody")
    charges = np.zeros_like(decision.edited.payoffs)
    for term in decision.terms:
        if term.name not in FITTING:
            for cell, points in term.amounts.items():
                charges[(*decision.edited.form.index(cell), PLAYERS.index(term.player))] += points
    try:
        return alternatives(
            decision.edited, policy, low=low, belief=decision.belief, charges=charges
        )
    except GameError:  # a record from elsewhere, with a belief about another game
        return alternatives(decision.edited, policy, low=low, charges=charges)


def changes_of(decision: Decision) -> list[Change]:
    """The points that each term of the edit added, then their sums, for each player."""
    if decision.stated is None or decision.edited is None:
        return []
    cells = decision.stated.form.cells
    found = []
    for player, side in zip(PLAYERS, (0, 1), strict=True):
        own = [term for term in decision.terms if term.player == player]
        for term in own:
            amounts = tuple(term.amounts.get(cell) for cell in cells)
            found.append(Change(term.name, player, amounts, term.why, term.name in FITTING))
        if own:
            gain = (decision.edited.payoffs - decision.stated.payoffs)[..., side].ravel().tolist()
            found.append(Change("in all", player, tuple(gain), "", False))
    return found
