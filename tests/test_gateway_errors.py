"""Errors, metrics, logs and chunks of the gateway, each on its own."""

import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway_parts import served
from gtalign.errors import (
    ConfigError,
    DataError,
    GameError,
    LateError,
    PayoffError,
    RefusedError,
    SteeringError,
    StorageError,
    StoreError,
    UnreachableError,
    UpstreamError,
)
from gtalign.gateway import demo
from gtalign.gateway.answers.view import Piece
from gtalign.gateway.answers.wire import Chunks
from gtalign.gateway.errors import REPLIES, APIError, EngineRefusal, explained, unquoted
from gtalign.gateway.telemetry.logs import JSONFormatter
from gtalign.gateway.telemetry.metrics import Counter, Histogram


def caused(cause: UpstreamError) -> UpstreamError:
    """An error as a session raises it."""
    error = UpstreamError("engine", "failed")
    error.__cause__ = cause
    return error


def refused(status: int, wait: float | None = None) -> UpstreamError:
    cause = RefusedError("engine", "no")
    cause.status, cause.wait = status, wait
    return caused(cause)


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (APIError(418, "x"), 418, None),
        (UpstreamError("engine", "failed"), 502, None),
        (caused(LateError("engine", "late")), 504, None),
        (refused(400), 400, None),
        (refused(401), 502, None),
        (refused(429, 7), 429, "7"),
        (refused(503), 503, "5"),
        (SteeringError("no chain"), 502, None),
        (StorageError("full"), 503, "5"),
        (TimeoutError(), 504, None),
        (DataError("wrong"), 400, None),
    ],
)
def test_every_error_has_a_status(error: Exception, status: int, wait: str | None) -> None:
    told = explained(error)
    assert told.status == status
    assert told.headers().get("Retry-After") == wait
    assert orjson.loads(told.body())["error"]["message"] == told.message


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (GameError("no game"), 400, "invalid_request_error", None),
        (PayoffError("no cell"), 400, "invalid_request_error", None),
        (ConfigError("no key"), 400, "invalid_request_error", "invalid_value"),
        (DataError("no row"), 400, "invalid_request_error", "invalid_value"),
        (SteeringError("no chain"), 502, "upstream_error", "not_steered"),
        (UpstreamError("engine", "failed"), 502, "upstream_error", "upstream_failed"),
        (UnreachableError("engine", "away"), 502, "upstream_error", "upstream_failed"),
        (caused(UnreachableError("engine", "away")), 502, "upstream_error", "upstream_failed"),
        (LateError("engine", "late"), 504, "timeout_error", "upstream_timeout"),
        (caused(caused(LateError("engine", "late"))), 504, "timeout_error", "upstream_timeout"),
        (refused(413), 413, "invalid_request_error", "upstream_refused"),
        (refused(422), 422, "invalid_request_error", "upstream_refused"),
        (refused(404), 404, "not_found_error", "upstream_refused"),
        (refused(403), 502, "upstream_error", "upstream_failed"),
        (refused(302), 502, "upstream_error", "upstream_failed"),
        (refused(501), 501, "api_error", "upstream_refused"),
        (refused(429), 429, "rate_limit_error", "upstream_busy"),
        (refused(503), 503, "service_unavailable_error", "upstream_unavailable"),
        (StorageError("full"), 503, "service_unavailable_error", "not_recorded"),
        (StoreError("x", "y"), 503, "service_unavailable_error", "store_unavailable"),
        (TimeoutError(), 504, "timeout_error", "timeout"),
        (ZeroDivisionError(), 500, "api_error", "internal"),
        (OSError(), 500, "api_error", "internal"),
    ],
)
def test_status_type_and_code_follow_from_the_class(
    error: Exception, status: int, kind: str, code: str | None
) -> None:
    told = explained(error)
    found = orjson.loads(told.body())["error"]
    assert (told.status, found["type"], found["code"]) == (status, kind, code)


def test_an_error_is_told_as_its_nearest_base_is() -> None:
    class Mine(ConfigError):
        pass

    class Nearer(Mine, StorageError):
        pass

    assert explained(Mine("x")).code == explained(Nearer("x")).code == "invalid_value"
    assert all(issubclass(kind, Exception) for kind in REPLIES)


def test_an_error_of_ours_behind_another_one_is_told_by_its_own_class() -> None:
    error = DataError("a row")
    error.__cause__ = LateError("engine", "late")
    assert explained(error).code == "invalid_value"


@pytest.mark.parametrize(
    ("error", "wait"),
    [(refused(400, 9), None), (refused(429), "1"), (refused(503, 12), "12"), (refused(500), None)],
)
def test_an_engine_that_asks_for_time_is_given_it(error: Exception, wait: str | None) -> None:
    assert explained(error).headers().get("Retry-After") == wait


def test_what_was_sent_is_not_repeated_at_length() -> None:
    assert len(explained(ConfigError("x" * 5000)).message) == 1000
    assert "x" not in explained(UpstreamError("x", "x" * 5000)).message


def test_the_quotes_of_an_engine_are_withheld_wherever_they_come_from() -> None:
    refusal = EngineRefusal(400, {"message": "no 'PRIVATE'"}, code="upstream_refused", wait=None)
    assert unquoted(refusal) == "no 'PRIVATE'"
    refusal.quotes = ("'PRIVATE'",)
    assert unquoted(refusal) == "no [withheld]"
    assert explained(refusal) is refusal
    cause = UpstreamError("engine", "said 'PRIVATE'")
    cause.quotes = ("'PRIVATE'",)
    outer = UpstreamError("engine", "said 'PRIVATE'; left")
    outer.__cause__ = cause
    assert unquoted(outer) == "engine: said [withheld]; left"


def test_what_is_wrong_inside_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    told = explained(KeyError("secret"))
    assert (told.status, "secret" in told.message) == (500, False)
    assert "secret" in caplog.text


def test_metrics_in_the_format_of_prometheus() -> None:
    counter = Counter("n", "Help.", ("a",))
    counter.add(2, 'x"\\\n')
    assert list(counter.lines()) == ['n{a="x\\"\\\\\\n"} 2']
    for number in range(2000):  # a client cannot fill the memory
        counter.add(1, str(number))
    assert len(list(counter.lines())) <= 1001
    histogram = Histogram("h", "Help.", (1.0, 2.0))
    for value in (0.5, 1.0, 5.0):
        histogram.add(value)
    assert list(histogram.lines()) == [
        *('h_bucket{le="1"} 2', 'h_bucket{le="2"} 2', 'h_bucket{le="+Inf"} 3'),
        *("h_sum 6.5", "h_count 3"),
    ]


def test_a_log_line_is_one_json_object() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord(
            "n", 40, "", 1, "a\nb", None, (type(error), error, error.__traceback__)
        )
    handler.emit(record)
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "a\nb"
    assert "two" in json.loads(line)["traceback"]


def test_a_lone_surrogate_has_no_place_in_a_stream() -> None:
    chunk = Chunks("i", 1, "m", include_usage=False).piece(Piece("content", "a\ud800"))
    assert json.loads(chunk[6:])["choices"][0]["delta"] == {"content": "a?"}


async def test_a_demo_without_its_model_ends_and_the_gateway_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(*_: Any) -> int:
        raise UpstreamError("toy", "it is gone")

    monkeypatch.setattr(demo, "ask_all", gone)
    shown: list[int] = []
    gateway: Any = None
    await demo.demo_of([], shown.append)(gateway)
    assert not shown
    assert "the demo ended early: toy: it is gone" in caplog.text


async def test_the_metrics_page_and_a_demo(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        shown: list[int] = []
        await demo.demo_of([({"role": "user", "content": "x"},)], shown.append)(gateway.gateway)
        assert shown == [2]
        assert len(await gateway.records()) == 2
        async with gateway.http.get(f"{gateway.address}/metrics") as answer:
            text = await answer.text()
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'gtalign_flips_total{policy="costly"} 1' in text
        # Each answer is recorded when it is decided, and again when it is complete.
        [records] = re.findall(r"^gtalign_audit_records (\d+)$", text, re.MULTILINE)
        assert 2 <= int(records) <= 4
