"""The pages of policies: list, edit, preview on past decisions, save and delete them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from starlette.responses import Response

from gtalign.config import dump
from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.dashboard.flow import Flow, flow
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.policies import policy_of_text
from gtalign.gateway.store.reader import Filter
from gtalign.steering import SOLUTION_RULES, Policy
from gtalign.steering.replay import Past, replay
from gtalign.steering.units import UNITS

PATH: Final = "/policies"
NEW: Final = PATH + "/+new"
"""Where one is made; no name begins with a plus."""

BODY: Final = 2_097_152
"""Most bytes of a form here: a text that is too long for a policy is still shown again."""

TRIED: Final = 1000
"""Decisions that a draft is tried on."""

_SHOWN: Final = 10
_PROBLEM: Final = 700  # characters
_TEMPLATE: Final = """name = "my-policy"
payer = "user"  # or "provider", "nobody"

[price]
output = 15.0  # a million tokens written
input = 3.0  # a million tokens read
# output_characters = 3.75  # a million characters written; input_characters: read
# answer = 0.015  # an answer

# [budget]  # of a month, for all answers under this policy
# money = 100.0
"""


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that would have been another one."""

    id: str
    at: int
    policy: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A draft, tried on decisions of the past.

    Args:
        tried: Number of decisions.
        unread: Number of records that cannot be read.
        flips: Number of decisions whose action the draft would change.
        flow: Decisions from the actions chosen then to those of the draft.
        counts: Number of decisions for each pair of the two actions.
        written: Expected tokens written under the draft, less those without it.
        read: Expected tokens read under the draft, less those without it.
        money: Price of these differences under the draft.
        examples: Some decisions that flip, the latest first.
        ms: Milliseconds that the preview took.
    """

    tried: int
    unread: int
    flips: int
    flow: Flow
    counts: Mapping[tuple[str, str], int]
    written: float
    read: float
    money: float
    examples: Sequence[Flip]
    ms: float


async def show(visit: Visit) -> Page:
    """All policies, and who uses each."""
    policies = visit.gateway.policies
    shown = {
        "policies": [policies.get(name) for name in policies.names()],
        "default": policies.default,
        "users": {name: _users(visit.gateway, name) for name in policies.names()},
        "spent": {name: visit.gateway.limits.spent_under(name) for name in policies.names()},
        "units": UNITS,
        "removed": visit.query_params.get("removed", "")[:80],
    }
    return Page("policies.jinja", shown)


async def begin(visit: Visit) -> Page:
    """The editor, with another policy or a few lines to begin with."""
    source = visit.query_params.get("from")
    policies = visit.gateway.policies
    text = _TEMPLATE
    if source is not None:
        if source not in policies.names():
            raise _nothing(source)
        policy = policies.get(source)
        text = dump(policy.model_copy(update={"name": _unused(source, policies.names())}))
    return _editor(visit, None, text)


async def edit(visit: Visit) -> Page:
    """The editor with a policy as it is."""
    policy = _known(visit)
    return _editor(
        visit, policy, dump(policy), saved=visit.query_params.get("saved") == policy.hash
    )


async def change(visit: Visit) -> Page | Response:
    """Try a draft on the past, or save it; what was typed stays."""
    current = _known(visit) if "name" in visit.path_params else None
    policies, sent = visit.gateway.policies, visit.sent
    text = sent.get("toml", "").replace("\r\n", "\n")
    more: dict[str, Any] = {"over": sent.get("over", ""), "base": sent.get("base", "")}
    try:
        draft = policy_of_text(text, policies.forms)
        _check_name(draft, current, policies.names())
        if sent.get("do") != "save":
            found = await preview(visit.gateway, draft, more["over"])
            return _editor(visit, current, text, draft=draft, preview=found, **more)
        if current is not None and more["base"] != current.hash:
            more["base"] = current.hash
            raise ConfigError(
                f"{current.name!r} was changed since this page was loaded, to version"
                f" {current.hash}; save again to replace that version"
            )
        await policies.put(draft)
    except ConfigError as error:
        return _editor(visit, current, text, problem=str(error), status=400, **more)
    except StorageError as error:
        return _editor(visit, current, text, problem=str(error), status=503, **more)
    return visit.go(f"{PATH}/{draft.name}?saved={draft.hash}")


async def confirm(visit: Visit) -> Page:
    """Ask whether a policy is to be removed."""
    return _removal(visit, _known(visit))


async def remove(visit: Visit) -> Page | Response:
    """Take a policy out of use."""
    policy = _known(visit)
    try:
        await visit.gateway.policies.remove(policy.name, visit.gateway.config)
    except ConfigError as error:
        return _removal(visit, policy, problem=str(error), status=400)
    return visit.go(f"{PATH}?removed={policy.name}")


async def preview(gateway: Gateway, draft: Policy, over: str) -> Preview:
    """Try a draft on the latest decisions.

    Args:
        gateway: Whose.
        draft: The policy.
        over: Of which policy; empty for all.
    """
    began = perf_counter()
    rows = await gateway.reader.chosen(Filter(policy=over or None), TRIED)
    return await asyncio.to_thread(_tried, gateway, draft, rows, began)


def _tried(
    gateway: Gateway, draft: Policy, rows: Sequence[Mapping[str, Any]], began: float
) -> Preview:
    settings = gateway.config.steering
    known, pasts = [], []
    for row in rows:
        try:
            past = Past.from_json(json.loads(row["decision"]))
        except ValueError:  # no JSON, or no decision: only counted
            continue
        if not draft.fits(past.stated.form):
            continue
        known.append(row)
        pasts.append(past)
    found = replay(pasts, draft, low=settings.low, high=settings.high)
    counts: dict[tuple[str, str], int] = {}
    examples = []
    for row, past, action in zip(known, pasts, found.actions, strict=True):
        pair = (past.action, action)
        counts[pair] = counts.get(pair, 0) + 1
        if past.action != action:
            examples.append(Flip(row["id"], row["at"], row["policy"], *pair))
    return Preview(
        tried=len(pasts),
        unread=len(rows) - len(pasts),
        flips=len(examples),
        flow=flow(counts, gateway.models.actions),
        counts=counts,
        written=found.written,
        read=found.read,
        money=found.money,
        examples=examples[:_SHOWN],
        ms=(perf_counter() - began) * 1000,
    )


def _editor(
    visit: Visit,
    current: Policy | None,
    text: str,
    *,
    problem: str = "",
    status: int = 200,
    over: str | None = None,
    base: str = "",
    draft: Policy | None = None,
    preview: Preview | None = None,
    saved: bool = False,
) -> Page:
    policies = visit.gateway.policies
    if over is None:
        over = "" if current is None else current.name
    shown = {
        "current": current,
        "text": text,
        "problem": problem[:_PROBLEM],
        "base": base or ("" if current is None else current.hash),
        "over": over,
        "names": policies.names(),
        "default": policies.default,
        "users": [] if current is None else _users(visit.gateway, current.name),
        "spent": None if current is None else visit.gateway.limits.spent_under(current.name),
        "draft": draft,
        "preview": preview,
        "saved": saved,
        "tried": TRIED,
        "actions": () if preview is None else used_actions(preview, visit.gateway.models.actions),
        "rules": tuple(SOLUTION_RULES.values()),
    }
    return Page("policy.jinja", shown, status)


def used_actions(preview: Preview, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions that a preview is about: those of the models, and others on record."""
    return tuple(dict.fromkeys([*actions, *(a for pair in sorted(preview.counts) for a in pair)]))


def _removal(visit: Visit, policy: Policy, *, problem: str = "", status: int = 200) -> Page:
    default = policy.name == visit.gateway.policies.default
    users = _users(visit.gateway, policy.name)
    shown = {"policy": policy, "problem": problem, "default": default, "users": users}
    return Page("policy_remove.jinja", shown, status)


def _users(gateway: Gateway, name: str) -> list[str]:
    """Names of the keys that are bound to a policy and good, and of the groups that have it."""
    bound = (k for k in gateway.keys.all() if k.policy == name and k.revoked is None)
    groups = (group for group, own in gateway.config.groups.items() if own.policy == name)
    return [*(f"the key {k.name}" for k in bound), *(f"the group {group}" for group in groups)]


def _known(visit: Visit) -> Policy:
    name = visit.path_params["name"]
    if name not in visit.gateway.policies.names():
        raise _nothing(name)
    return visit.gateway.policies.get(name)


def _nothing(name: str) -> APIError:
    return APIError(404, f"there is no policy {name[:80]!r}", code="not_found")


def _unused(name: str, taken: Sequence[str]) -> str:
    """A name like this one that is free."""
    copies = (f"{name[:70]}-{number}" for number in range(2, len(taken) + 3))
    return next(copy for copy in copies if copy not in taken)


def _check_name(draft: Policy, current: Policy | None, taken: Sequence[str]) -> None:
    if current is not None and draft.name != current.name:
        raise ConfigError(
            f"name: this page edits {current.name!r}; make a new policy for another name"
        )
    if current is None and draft.name in taken:
        raise ConfigError(f"name: there is a policy {draft.name!r} already; choose another name")
