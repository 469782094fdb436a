"""The overview: what the gateway has done in a period."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from gtalign.gateway.dashboard.flow import Flow, flow
from gtalign.gateway.dashboard.query import PERIODS, read_query
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.http.parameters import read_once
from gtalign.gateway.store.reader import Overview
from gtalign.gateway.store.record import now

REFRESH: Final = "5s"
"""Between refreshes of a page that keeps itself up to date, as htmx writes times."""


@dataclass(frozen=True, slots=True)
class PolicyFlow:
    """The decisions under one policy.

    Args:
        policy: Its name.
        flow: From actions before the edit to actions after it.
        before: The actions before, in order.
        after: The actions after.
        counts: Decisions by both.
    """

    policy: str
    flow: Flow
    before: tuple[str, ...]
    after: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]


async def show(visit: Visit) -> Page:
    """Sums over the decisions of a period."""
    query = read_query(read_once(visit.query_params), last="day")
    reader = visit.gateway.reader
    found = await reader.overview(query.which)
    series = await reader.series(query.which, now=now())
    trials = await reader.trials(query.which)
    low = visit.gateway.config.steering.low
    origin = visit.gateway.config.dashboard.origin
    first = visit.gateway.models.first
    requests = statuses_of(visit.gateway.metrics.requests.values)
    shown = {
        "query": query,
        "periods": tuple(PERIODS),
        "refresh": REFRESH,
        "live": visit.query_params.get("live") == "1",
        "found": found,
        "series": series,
        "answers": sum(found.answers.values()),
        "groups": groups_of(found, visit.gateway.models.actions),
        "trials": [(one, flow(one.counts, visit.gateway.models.actions)) for one in trials],
        "requests": requests,
        "welfare": welfare_of(found, low),
        "low": low,
        "sources": visit.gateway.history.sources(first.model, first.form),
        "address": origin or f"{visit.url.scheme}://{visit.url.netloc}",
        "model": first.name,
        "example": visit.gateway.policies.default,
    }
    return Page("overview.jinja", shown)


def groups_of(found: Overview, actions: tuple[str, ...]) -> list[PolicyFlow]:
    """The decisions by policy, in the order of their names.

    Args:
        found: The sums.
        actions: The LLM's, in order; others follow.
    """
    by_policy: dict[str, dict[tuple[str, str], int]] = {}
    for (policy, before, after), count in found.actions.items():
        by_policy.setdefault(policy, {})[before, after] = count

    def used(counts: Mapping[tuple[str, str], int], side: int) -> tuple[str, ...]:
        seen = {pair[side] for pair in counts}
        return (*(a for a in actions if a in seen), *sorted(seen - set(actions)))

    return [
        PolicyFlow(name, flow(counts, actions), used(counts, 0), used(counts, 1), counts)
        for name, counts in sorted(by_policy.items())
    ]


def statuses_of(requests: Mapping[tuple[str, ...], float]) -> dict[str, int]:
    """Requests of clients by their status of HTTP, since the gateway started."""
    found: dict[str, int] = {}
    for (path, status), count in sorted(requests.items()):
        if path.startswith("/v1/"):
            found[status] = found.get(status, 0) + int(count)
    return dict(sorted(found.items()))


def welfare_of(found: Overview, low: float) -> float | None:
    """Geometric mean of both mean payoffs, each less the least that a payoff can be.

    Payoffs may be negative, so that welfare needs a zero: `low`, as the rule ``ces`` has it.
    """
    if found.user_payoff is None or found.llm_payoff is None:
        return None
    return sqrt(max(found.user_payoff - low, 0.0) * max(found.llm_payoff - low, 0.0))
