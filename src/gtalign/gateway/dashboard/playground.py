"""The playground: one question under two policies, side by side, as it is written.

The answers are those of the interface: steered, recorded before they are shown, and counted. Both
have one seed, and what they have in common is written once: only the policies differ.
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from secrets import randbelow
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gtalign.chain import BLOCKS
from gtalign.drawing import join
from gtalign.errors import ConfigError
from gtalign.gateway.answers.answer import Answer
from gtalign.gateway.answers.request import read_chat
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.view import Piece
from gtalign.gateway.answers.wire import COMMENT, event
from gtalign.gateway.dashboard.decision import blocks_of
from gtalign.gateway.dashboard.shared import SharedBackend
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError, explained
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import LEFT, unless_gone
from gtalign.gateway.http.reply import HTTPReply, send_events
from gtalign.gateway.store.reader import Filter
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.steering import Ask, Backend, Decision
from gtalign.steering.table import game_table

PATH: Final = "/playground"
STREAM: Final = PATH + "/answer"
SIDES: Final = ("left", "right")
"""Names of the fields that hold the two policies."""

EXAMPLE: Final = "My sister has her birthday soon. What should I get her?"
"""A vague question, for where none is on record: whether to ask back is a matter of price."""

_SEEDS: Final = 2**31
_WAITING: Final = 64  # events that wait for the browser
_LOOKED: Final = 50  # decisions that examples are taken from
_SHOWN: Final = 3
_LONGEST: Final = 2_000  # characters of an example with its role
_SAMPLING: Final[Mapping[str, Callable[[str], float]]] = {
    "temperature": float,
    "max_tokens": int,
    "seed": int,
}
_CHAIN: Final = "|".join(BLOCKS[:-1])
_OPENED: Final = re.compile(f"<({_CHAIN})>")
_CLOSED: Final = re.compile(f".*</({_CHAIN})>\n")


@dataclass(frozen=True, slots=True)
class Side:
    """A finished answer, for the page.

    Args:
        policy: Name of the policy.
        decision: The decision; None if there is none.
        blocks: Blocks of its chain, or the whole text.
        facts: Facts that are shown below it.
        error: Why there is no answer; empty if there is one.
    """

    policy: str
    decision: Decision | None
    blocks: tuple[tuple[str, str], ...]
    facts: Mapping[str, Any]
    error: str = ""


async def show(visit: Visit) -> Page:
    """The form."""
    return await _page(visit)


async def ask(visit: Visit) -> Page:
    """Both answers, when they are done: for browsers without a script."""
    try:
        asked = _asked(visit)
        terms = [_terms(visit, visit.sent.get(side, "")) for side in SIDES]
    except APIError as error:
        return await _page(visit, problem=error.message, status=error.status)
    backend = SharedBackend(visit.gateway.upstream.backend)

    async def both() -> list[Side]:
        return list(await asyncio.gather(*(_whole(visit, one, asked, backend) for one in terms)))

    sides = await unless_gone(visit.receive, both())
    return await _page(visit, sides=sides, seed=asked.sampling.seed)


async def stream(visit: Visit) -> Response:
    """Both answers as events, each of which names its side; they end with what was decided.

    Raises:
        APIError: The question or a number is wrong (400), or there is no such policy (404).
    """
    asked = _asked(visit)
    terms = {side: _terms(visit, visit.sent.get(side, "")) for side in SIDES}
    return _Events(visit.gateway, _events(visit, terms, asked))


class _Events(Response):
    """Sends events until they end, or the browser has left the page."""

    def __init__(self, gateway: Gateway, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self.raw_headers = []
        self._timeouts = gateway.config.timeouts
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = HTTPReply(send, dict(self.headers), patience=self._timeouts.idle)
        RequestLog.of(scope).reply = reply  # to tell an error in
        async with aclosing(self._events) as events:
            keep_alive = self._timeouts.keep_alive
            work = send_events(reply, events, comment=COMMENT, keep_alive=keep_alive)
            await unless_gone(receive, work)


async def _events(
    visit: Visit, terms: Mapping[str, Terms], asked: Ask
) -> AsyncGenerator[bytes, None]:
    """The events of both sides, as they come."""
    backend = SharedBackend(visit.gateway.upstream.backend)
    told: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)

    async def write(side: str) -> None:
        try:
            async with aclosing(_side(visit, terms[side], asked, backend)) as events:
                async for one in events:
                    await told.put(event({"side": side, **one}))
        except Exception as error:  # the other side may have an answer
            says = explained(error)
            failed = {"message": says.message, "code": says.code}
            await told.put(event({"side": side, "error": failed}))
        await told.put(None)

    yield event({"seed": asked.sampling.seed})
    tasks = [asyncio.create_task(write(side), name=f"playground-{side}") for side in SIDES]
    why: tuple[Any, ...] = (LEFT,)
    try:
        left = len(tasks)
        while left:
            one = await told.get()
            if one is None:
                left -= 1
            else:
                yield one
    except asyncio.CancelledError as cancelled:
        why = cancelled.args
        raise
    finally:
        for task in tasks:
            task.cancel(*why)
        await asyncio.gather(*tasks, return_exceptions=True)


async def _side(
    visit: Visit, terms: Terms, asked: Ask, backend: Backend
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of one answer, as it is written."""
    gateway = visit.gateway
    began, first, drawn = perf_counter(), None, False
    async with gateway.limits.admitted(terms.key):
        answer = Answer(gateway, terms, asked, stream=True, backend=backend)
        yield {"policy": terms.policy.name, "hash": terms.policy.hash}
        async with (
            asyncio.timeout(gateway.config.timeouts.total),
            aclosing(answer.pieces()) as pieces,
        ):
            async for piece in pieces:
                first = first or perf_counter()
                for told in _told(piece):
                    yield told
                closed = piece.kind == "content" or piece.text.endswith("</payoff>\n")
                if closed and not drawn and (games := _games(answer.decision)):
                    drawn = True
                    yield {"games": games}
        if not drawn and (games := _games(answer.decision)):  # decided at the end, to observe
            yield {"games": games}
        yield {"done": _facts(answer, began, first)}


def _told(piece: Piece) -> list[dict[str, str]]:
    """Events for a piece of an answer: a block that opens, or more of its text.

    The chain comes with its tags, each in a piece of its own or at the end of one; the matrix,
    which is drawn, is left out.
    """
    if piece.kind == "content":
        return [{"block": "response", "text": piece.text}]
    opened = _OPENED.fullmatch(piece.text)
    if opened is not None:
        return [{"block": opened[1], "text": ""}]
    if _CLOSED.fullmatch(piece.text) is not None:
        return []
    return [{"block": "", "text": piece.text}]


def _games(decision: Decision | None) -> str:
    """Both matrices as tables; empty before there are any."""
    if decision is None or decision.stated is None or decision.edited is None:
        return ""
    return join(
        game_table(decision.stated, "As stated", decision.before),
        game_table(decision.edited, "As the policy edits it", decision.after),
    )


def _facts(answer: Answer, began: float, first: float | None) -> dict[str, Any]:
    """The facts that are shown below an answer."""
    return {
        **answer.about(),
        "obeyed": None if answer.decision is None else answer.decision.obeyed,
        **answer.usage(),
        "first_ms": None if first is None else (first - began) * 1000,
        "total_ms": (perf_counter() - began) * 1000,
        "finish": answer.result.finish,
    }


async def _whole(visit: Visit, terms: Terms, asked: Ask, backend: Backend) -> Side:
    """A finished answer, or why there is none; the other side may have one."""
    gateway, name = visit.gateway, terms.policy.name
    began, first = perf_counter(), None
    try:
        async with gateway.limits.admitted(terms.key):
            answer = Answer(gateway, terms, asked, stream=False, backend=backend)
            async with (
                asyncio.timeout(gateway.config.timeouts.total),
                aclosing(answer.pieces()) as pieces,
            ):
                async for _ in pieces:
                    first = first or perf_counter()
    except Exception as error:  # shown on this side, in the words of the interface
        return Side(name, None, (), {}, explained(error).message)
    blocks, _ = blocks_of(
        answer.result.text, terms.served.form, belief=gateway.config.steering.belief
    )
    return Side(name, answer.decision, tuple(blocks), _facts(answer, began, first))


def _asked(visit: Visit) -> Ask:
    """What is asked of both sides, by the rules of the interface.

    Where no seed is named, one is drawn: only the policies may differ between the sides.

    Raises:
        APIError: The question or a number is wrong (400).
    """
    gateway, sent = visit.gateway, visit.sent
    assert visit.key is not None
    question = sent.get("question", "").strip()
    if not question:
        raise APIError(400, "the question is empty")
    body: dict[str, Any] = {"model": gateway.models.first.name or "", "seed": randbelow(_SEEDS)}
    body["messages"] = [{"role": "user", "content": question}]
    for name, kind in _SAMPLING.items():
        text = sent.get(name, "").strip()
        if text:
            body[name] = _number(name, text, kind)
    limits = gateway.config.limits
    try:
        raw = orjson.dumps(body)
    except TypeError:  # a seed beyond 64 bits
        raise APIError(400, "the seed is too large") from None
    request = read_chat(raw, max_tokens=limits.max_tokens, choices=1)
    if request.refusal is not None:
        raise request.refusal
    return Ask(
        messages=request.messages,
        max_tokens=request.max_tokens or limits.unnamed,
        sampling=request.sampling,
        used_tokens=gateway.limits.used(visit.key),
    )


def _terms(visit: Visit, policy: str) -> Terms:
    """The terms of one side; raises APIError if there is no such policy (404), or its
    budget is spent (429)."""
    gateway = visit.gateway
    assert visit.key is not None
    try:
        wanted = gateway.policies.get(policy)
    except ConfigError as error:
        raise APIError(404, str(error), code="policy_not_found") from None
    gateway.limits.check_policy(wanted)
    id_, log = f"chatcmpl-{uuid4().hex}", RequestLog.of(visit.scope)
    served = gateway.models.first
    return Terms(id_, log.id, visit.key, wanted, "reasoning", served.name or "", served)


async def _examples(gateway: Gateway) -> list[str]:
    """Questions to begin with: of recorded decisions, those that flipped first, or one of ours."""
    page = await gateway.reader.page(Filter(), limit=_LOOKED)
    rows = sorted(page.rows, key=lambda row: not row["flipped"])
    prompts = await gateway.reader.prompts([row["id"] for row in rows], _LONGEST)
    asked = (prompts.get(row["id"], ()) for row in rows)
    # Only whole conversations: a last message out of its context is another question.
    found = [said[0]["content"] for said in asked if len(said) == 1 and _is_question(said[0])]
    return list(dict.fromkeys(found))[:_SHOWN] or [EXAMPLE]


def _is_question(message: Any) -> bool:
    return (
        isinstance(message, Mapping)
        and message.get("role") == "user"
        and isinstance(message.get("content"), str)
        and bool(message["content"].strip())
    )


def _number(name: str, text: str, kind: Callable[[str], float]) -> float:
    try:
        value = kind(text)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass  # refused below
    raise APIError(400, f"{name}: a number, not {text[:40]!r}")


async def _page(
    visit: Visit,
    *,
    problem: str = "",
    sides: list[Side] | None = None,
    seed: int | None = None,
    status: int = 200,
) -> Page:
    gateway = visit.gateway
    names = gateway.policies.names()
    default = gateway.policies.default
    other = next((name for name in names if name != default), default)
    question = visit.query_params.get("question", "")[:_LONGEST]
    shown = {
        "names": names,
        "given": {"left": default, "right": other, "question": question}
        | dict.fromkeys(_SAMPLING, "")
        | dict(visit.sent),
        "examples": await _examples(gateway),
        "sides": sides or [],
        "seed": seed,
        "problem": problem,
        "model": gateway.models.first.name,
        "mode": gateway.config.steering.mode,
        "most": gateway.config.limits.max_tokens,
    }
    return Page("playground.jinja", shown, status)
