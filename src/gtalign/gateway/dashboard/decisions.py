"""The list of decisions: filters, search, and pages."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from starlette.responses import Response

from gtalign.gateway.dashboard.query import LAST, read_query
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.http.parameters import read_flag, read_limit, read_once
from gtalign.gateway.store.export import export_response
from gtalign.gateway.store.reader import SEARCHED
from gtalign.gateway.store.record import STATUSES
from gtalign.steering.decision import Mode

SIZES: Final = (25, 50, 100, 200)
"""Decisions of a page that one can choose."""

_MORE: Final = {"steered", "obeyed", "mode", "key_id", "policy_hash", LAST, "since", "until"}
_PROMPT: Final = 20_000  # characters of a prompt that a list reads
_QUESTION: Final = 140  # and shows


async def show(visit: Visit) -> Page:
    """A page of decisions, the latest first."""
    query = read_query(read_once(visit.query_params))
    limit = read_limit(visit.query_params.get("limit") or str(SIZES[1]))
    cursor = visit.query_params.get("cursor")
    gateway = visit.gateway
    page = await gateway.reader.page(query.which, limit=limit, cursor=cursor)
    ids = [row["id"] for row in page.rows]
    prompts = await gateway.reader.prompts(ids, _PROMPT)
    size = "" if limit == SIZES[1] else str(limit)
    shown = {
        "more": bool(query.given.keys() & _MORE),
        "query": query,
        "page": page,
        "limit": limit,
        "size": size,
        "sizes": SIZES,
        "searched": SEARCHED,
        "first": not cursor,
        "questions": {id_: question_of(prompt) for id_, prompt in prompts.items()},
        "keys": {key.id: key.name for key in gateway.keys.all()},
        "policies": gateway.policies.names(),
        "statuses": STATUSES,
        "modes": get_args(Mode),
        "actions": gateway.models.actions,
        "texts": gateway.config.audit.texts,
    }
    return Page("decisions.jinja", shown)


async def export(visit: Visit) -> Response:
    """The decisions of a list, all pages of it, as a file."""
    query = read_query(read_once(visit.query_params))
    asked = visit.query_params
    return export_response(
        visit.gateway.reader,
        query.which,
        format_=asked.get("format") or "jsonl",
        transcripts=read_flag("transcripts", asked.get("transcripts") or "false"),
        patience=visit.gateway.config.timeouts.idle,
    )


def question_of(messages: Any) -> str:
    """The last message of the user, shortened; empty if there is none."""
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            text = " ".join(content.split()) if isinstance(content, str) else ""
            return text if len(text) <= _QUESTION else text[: _QUESTION - 1] + "…"
    return ""
