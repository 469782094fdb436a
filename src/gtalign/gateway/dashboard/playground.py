"""The playground: one question under two policies, side by side, as it is written.

The answers are those of the interface: steered, recorded before they are shown, and counted.
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
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
from gtalign.gateway.dashboard.matrix import game_table
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError, explained
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import unless_gone
from gtalign.gateway.http.reply import HTTPReply, send_events
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.steering import Ask, Decision

PATH: Final = "/playground"
STREAM: Final = PATH + "/answer"
SIDES: Final = ("left", "right")
"""Names of the fields that hold the two policies."""

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
    return _page(visit)


async def ask(visit: Visit) -> Page:
    """Both answers, when they are done: for browsers without a script."""
    try:
        pairs = [_begin(visit, visit.sent.get(side, "")) for side in SIDES]
    except APIError as error:
        return _page(visit, problem=error.message, status=error.status)

    async def both() -> list[Side]:
        return list(await asyncio.gather(*(_whole(visit, *pair) for pair in pairs)))

    return _page(visit, sides=await unless_gone(visit.receive, both()))


async def stream(visit: Visit) -> Response:
    """One answer as events, which end with what was decided.

    Raises:
        APIError: The question or a number is wrong (400), or there is no such policy (404).
    """
    terms, request = _begin(visit, visit.sent.get("policy", ""))
    RequestLog.of(visit.scope).terms = terms
    return _Events(visit.gateway, _events(visit, terms, request))


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
        async with aclosing(self._events) as events, asyncio.timeout(self._timeouts.total):
            keep_alive = self._timeouts.keep_alive
            work = send_events(reply, events, comment=COMMENT, keep_alive=keep_alive)
            await unless_gone(receive, work)


async def _events(visit: Visit, terms: Terms, request: Ask) -> AsyncGenerator[bytes, None]:
    gateway = visit.gateway
    with gateway.limits.admitted(terms.key):
        began, first = perf_counter(), None
        answer = Answer(gateway, terms, request, stream=True)
        yield event({"policy": terms.policy.name, "hash": terms.policy.hash})
        drawn = False
        async with aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                first = first or perf_counter()
                for told in _told(piece):
                    yield event(told)
                closed = piece.kind == "content" or piece.text.endswith("</payoff>\n")
                if closed and not drawn and (games := _games(answer.decision)):
                    drawn = True
                    yield event({"games": games})
        if not drawn and (games := _games(answer.decision)):  # decided at the end, to observe
            yield event({"games": games})
        yield event({"done": _facts(answer, began, first)})


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
        **answer.usage(),
        "first_ms": None if first is None else (first - began) * 1000,
        "total_ms": (perf_counter() - began) * 1000,
        "finish": answer.result.finish,
    }


async def _whole(visit: Visit, terms: Terms, request: Ask) -> Side:
    """A finished answer, or why there is none; the other side may have one."""
    gateway, name = visit.gateway, terms.policy.name
    began, first = perf_counter(), None
    try:
        with gateway.limits.admitted(terms.key):
            answer = Answer(gateway, terms, request, stream=False)
            async with (
                asyncio.timeout(gateway.config.timeouts.total),
                aclosing(answer.pieces()) as pieces,
            ):
                async for _ in pieces:
                    first = first or perf_counter()
    except Exception as error:  # told on this side, in the words of the interface
        return Side(name, None, (), {}, explained(error).message)
    blocks, _ = blocks_of(answer.result.text)
    return Side(name, answer.decision, tuple(blocks), _facts(answer, began, first))


def _begin(visit: Visit, policy: str) -> tuple[Terms, Ask]:
    """Settle what is asked, by the rules of the interface.

    Raises:
        APIError: The question or a number is wrong (400), or there is no such policy (404).
    """
    gateway, sent = visit.gateway, visit.sent
    assert visit.key is not None
    question = sent.get("question", "").strip()
    if not question:
        raise APIError(400, "the question is empty")
    body: dict[str, Any] = {"model": gateway.upstream.name}
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
    try:
        wanted = gateway.policies.get(policy)
    except ConfigError as error:
        raise APIError(404, str(error), code="policy_not_found") from None
    id_, log = f"chatcmpl-{uuid4().hex}", RequestLog.of(visit.scope)
    name = gateway.upstream.name
    terms = Terms(id_, log.id, visit.key, wanted, "reasoning", name)
    return terms, Ask(
        messages=request.messages,
        max_tokens=request.max_tokens,
        sampling=request.sampling,
        used_tokens=gateway.limits.used(visit.key),
    )


def _number(name: str, text: str, kind: Callable[[str], float]) -> float:
    try:
        value = kind(text)
        if math.isfinite(value):
            return value
    except (ValueError, OverflowError):
        pass  # told below
    raise APIError(400, f"{name}: a number, not {text[:40]!r}")


def _page(
    visit: Visit, *, problem: str = "", sides: list[Side] | None = None, status: int = 200
) -> Page:
    gateway = visit.gateway
    names = gateway.policies.names()
    default = gateway.policies.default
    other = next((name for name in names if name != default), default)
    shown = {
        "names": names,
        "given": {"left": default, "right": other, "question": "", **dict.fromkeys(_SAMPLING, "")}
        | dict(visit.sent),
        "sides": sides or [],
        "problem": problem,
        "model": gateway.upstream.name,
        "mode": gateway.config.steering.mode,
        "most": gateway.config.limits.max_tokens,
    }
    return Page("playground.jinja", shown, status)
