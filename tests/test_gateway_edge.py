"""The outermost layer, with applications that end as they should not."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway_parts import scripted
from gtalign.errors import StorageError, StoreError, UpstreamError
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.errors import APIError
from gtalign.gateway.http.edge import Edge
from gtalign.gateway.http.reply import EVENTS, HTTPReply
from gtalign.gateway.keys import ANYONE
from gtalign.gateway.served import Models
from gtalign.gateway.telemetry.metrics import Metrics
from gtalign.gateway.telemetry.request_log import RequestLog
from gtalign.gateway.upstream import Upstream
from gtalign.steering import load_policy

SCOPE: Any = {"type": "http", "method": "GET", "path": "/x", "headers": []}
App = Callable[[Any, Any, Any], Awaitable[None]]


async def through(app: App, send: Any = None, **scope: Any) -> tuple[list[Any], Metrics]:
    """What a client is sent of an application's answer, and what is counted."""
    sent: list[Any] = []

    async def into() -> Any:
        return {"type": "http.request", "body": b""}

    async def out(message: Any) -> None:
        sent.append(message)

    metrics = Metrics()
    await Edge(app, metrics)(dict(SCOPE, **scope), into, send or out)
    return sent, metrics


def raising(error: BaseException) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (APIError(404, "no", code="gone"), 404, "gone"),
        (StorageError("full"), 503, "not_recorded"),
        (StoreError("it cannot be read", "secret"), 503, "store_unavailable"),
        (UpstreamError("u", "broke"), 502, "upstream_failed"),
        (TimeoutError(), 504, "timeout"),
        (FileNotFoundError("secret"), 500, "internal"),
    ],
)
async def test_a_failure_is_told_in_openais_form(error: Any, status: int, code: str) -> None:
    (head, body, *rest), metrics = await through(raising(error))
    assert not any(message["body"] for message in rest)
    assert head["status"] == status
    assert json.loads(body["body"])["error"]["code"] == code
    assert b"secret" not in body["body"]
    assert metrics.requests.values == {("other", str(status)): 1}
    assert metrics.running.values == {(): 0}


async def test_a_body_that_nobody_wants_is_read_before_the_connection_ends() -> None:
    order: list[str] = []

    async def out(message: Any) -> None:
        order.append(f"{message['type']} {message.get('more_body')}")

    async def into() -> Any:
        order.append("read")
        return {"type": "http.request", "body": b"x", "more_body": order.count("read") < 3}

    await Edge(raising(APIError(413, "too large", code="large")), Metrics())(dict(SCOPE), into, out)
    answer = ["http.response.start None", "http.response.body True"]
    assert order == [*answer, "read", "read", "read", "http.response.body False"]


async def test_what_is_not_http_is_handed_on() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    sent, metrics = await through(app, type="lifespan")
    assert (seen, sent, metrics.requests.values) == (["lifespan"], [], {})


async def test_a_request_that_is_cancelled_is_told_that_the_gateway_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", "gtalign.gateway.access"):
        (head, body), metrics = await through(raising(asyncio.CancelledError()))
    assert (head["status"], json.loads(body["body"])["error"]["code"]) == (503, "draining")
    assert metrics.requests.values == {("other", "503"): 1}
    problem = caplog.records[-1].fields["problem"]  # type: ignore[attr-defined]
    assert problem == "the gateway is shutting down; try again"


async def test_a_broken_connection_is_a_client_that_left() -> None:
    sent, metrics = await through(raising(BrokenPipeError()))
    assert sent == []
    assert metrics.requests.values == {("other", "499"): 1}


async def test_nobody_is_told_where_the_client_left_first() -> None:
    async def closed(message: Any) -> None:
        raise ConnectionResetError

    sent, metrics = await through(raising(APIError(400, "no")), closed)
    assert sent == []
    assert metrics.requests.values == {("other", "400"): 1}


@pytest.mark.parametrize("kind", [EVENTS, "application/json"])
async def test_an_error_after_the_head_ends_the_stream_or_breaks_off(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        reply = RequestLog.of(scope).reply = HTTPReply(send, {}, patience=1.0)
        await reply.start(200, kind)
        raise UpstreamError("u", "broke")

    (head, *rest), _ = await through(app)
    assert head["status"] == 200
    told = b"".join(message["body"] for message in rest)
    assert (b"upstream_failed" in told) == (kind == EVENTS)
    assert [message["more_body"] for message in rest] == ([False] if kind == EVENTS else [])


async def test_a_download_that_fails_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise StorageError("full")

    with caplog.at_level("INFO", "gtalign.gateway.access"):
        [head], metrics = await through(app)
    assert head["status"] == 200
    assert metrics.requests.values == {("other", "200"): 1}
    assert caplog.records[-1].fields["problem"] == "full"  # type: ignore[attr-defined]


async def test_one_line_of_log_holds_what_is_known_of_a_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy = load_policy("subscription")
    served = Models.of_one(Upstream(scripted(), "toy", "toy-1")).first

    async def app(scope: Any, receive: Any, send: Any) -> None:
        log = RequestLog.of(scope)
        log.path, log.key = "/x/{id}", ANYONE
        log.terms = Terms("a-1", log.id, ANYONE, policy, "response", "toy", served)
        log.asked = [{"role": "user", "content": "Which?"}]
        await HTTPReply(send, {}, patience=1.0).whole(200, b"{}")

    with caplog.at_level("INFO", "gtalign.gateway.access"):
        _, metrics = await through(app, client=("192.0.2.1", 5), headers=[(b"x-request-id", b"r")])
    fields = caplog.records[-1].fields  # type: ignore[attr-defined]
    assert fields.pop("ms") >= 0
    assert fields == {
        "request": "r",
        "client": "192.0.2.1",
        "status": 200,
        "problem": None,
        "key": "",
        "policy": "subscription",
        "model": "toy",
        "decision": "a-1",
        "messages": [{"role": "user", "content": "Which?"}],
    }
    assert metrics.requests.values == {("/x/{id}", "200"): 1}


async def test_a_request_of_which_little_is_known_has_few_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", "gtalign.gateway.access"):
        await through(raising(APIError(404, "nothing")))
    fields = caplog.records[-1].fields  # type: ignore[attr-defined]
    assert set(fields) == {"request", "client", "status", "ms", "problem"}
    assert (fields["client"], fields["status"], fields["problem"]) == (None, 404, "nothing")
    assert len(fields["request"]) == 24


async def test_an_unexpected_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    await through(raising(ZeroDivisionError("inside")))
    assert [record.message for record in caplog.records].count("unexpected ZeroDivisionError") == 1
