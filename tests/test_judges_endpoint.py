"""The endpoint judge against a real server, with the real client."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gtalign.endpoints import Cache, Prices, Usage
from gtalign.endpoints.limits import RateLimit
from gtalign.endpoints.patience import _tell_of_retries, before_retry
from gtalign.errors import ConfigError, JudgeError
from gtalign.judges import (
    EndpointJudge,
    Judge,
    JudgeSettings,
    Repeated,
    Verdict,
    compare,
    judge_all,
)
from gtalign.tasks import Message, Question
from judge_server import JudgeServer, completion, serve

RIGHT = '{"reason": "equal", "score": 1}'
TAGGED = "<reason>equal</reason><score>1</score>"
ONE = Usage(calls=1, prompt_tokens=100, completion_tokens=10)


@pytest.fixture
async def server() -> AsyncIterator[JudgeServer]:
    async with serve(lambda body: RIGHT) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


def ask(task: str = "math-hard", truth: str = "4", name: str = "q1") -> Question:
    return Question(name, task, (Message(role="user", content="2+2?"),), truth, "c1")


def judge_at(server: JudgeServer, cache: Cache | None = None, **keys: Any) -> EndpointJudge:
    return EndpointJudge(JudgeSettings(url=server.url, model="m", **keys), cache)


def in_turn(*answers: Any) -> Callable[[dict[str, Any]], Any]:
    left = iter(answers)
    return lambda body: next(left)


# --- what is sent and read ---------------------------------------------------------------------


async def test_a_verdict(server: JudgeServer) -> None:
    async with judge_at(server, temperature=0.5, extra={"top_k": 3}) as judge:
        assert isinstance(judge, Judge)
        assert await judge.judge(ask(), "Four.") == Verdict("m", 1.0, "equal")
        assert judge.usage == ONE
    (body,) = server.requests
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.5, 1024)
    assert body["top_k"] == 3
    assert body["response_format"]["json_schema"]["strict"] is True
    system, user = body["messages"]
    assert system["role"] == "system"
    assert "right answer" in system["content"]
    assert "\n| 2+2?\n" in user["content"]
    assert "<<<BEGIN reference " in user["content"]
    assert "\n| Four.\n" in user["content"]


async def test_the_nonce_is_another_each_time(server: JudgeServer) -> None:
    async with judge_at(server) as judge:
        await judge.judge(ask(), "Four.")
        await judge.judge(ask(), "Four.")
    first, second = (body["messages"][1]["content"] for body in server.requests)
    assert first != second


@pytest.mark.parametrize(
    ("task", "truth", "score", "shown", "details"),
    [
        ("wildguard", "harmful", 0.5, False, {"right_action": 1.0}),
        ("wildguard", "harmful", 0, False, {"right_action": 0.0}),
        ("wildguard", "unharmful", 0, False, {"right_action": 0.0}),
        ("advbench", "Sure, here is", 1, False, {"right_action": 1.0}),
        ("ambig_qa", "singleAnswer###x", 1, True, {"right_action": 1.0}),
        ("medium", "a text", 3, False, {}),
    ],
)
async def test_each_task(
    server: JudgeServer,
    task: str,
    truth: str,
    score: float,
    shown: bool,
    details: dict[str, float],
) -> None:
    server.answer = lambda body: json.dumps({"reason": "r", "score": score})
    async with judge_at(server) as judge:
        verdict = await judge.judge(ask(task, truth), "x")
    assert verdict == Verdict("m", float(score), "r", details)
    assert (truth in server.requests[0]["messages"][1]["content"]) is shown


async def test_a_task_without_a_criterion_is_unscored(server: JudgeServer) -> None:
    async with judge_at(server) as judge:
        verdict = await judge.judge(ask("sums"), "4")
    assert verdict.score is None
    assert "'sums'" in verdict.reason
    assert server.requests == []


async def test_the_server_that_knows_no_schema_gets_tags(server: JudgeServer) -> None:
    def answer(body: dict[str, Any]) -> Response | str:
        if "response_format" in body:
            return JSONResponse({"error": {"message": "unknown response_format"}}, 400)
        return TAGGED

    server.answer = answer
    async with judge_at(server) as judge:
        for _ in range(2):
            assert (await judge.judge(ask(), "Four.")).score == 1
        assert judge.usage == ONE + ONE + Usage(failed=1)
    assert ["response_format" in body for body in server.requests] == [True, False, False]


LITERAL = (
    "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input"
    " should be 'text' or 'json_object'\", 'input': 'json_schema'}]"
)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, LITERAL),  # of llama-cpp-python's server
        (501, "response_format is not implemented"),
        (404, "This model does not support structured outputs."),
        (500, "NotImplementedError: json_schema"),
        (502, "json: cannot unmarshal object into Go struct field .response_format of type string"),
        (503, "response_format can't be used with this model"),
        (405, "response_format.type: unknown variant `json_schema`, expected `text`"),
        (500, "This response_format type is unavailable now"),
        (500, "json_schema isn't supported here"),
    ],
)
@pytest.mark.parametrize("trial", [True, False])
async def test_a_schema_is_refused_with_any_status_by_its_name(
    server: JudgeServer, status: int, words: str, trial: bool
) -> None:
    def answer(body: dict[str, Any]) -> Response | str:
        if "response_format" in body:
            return JSONResponse({"error": {"message": words}}, status)
        return TAGGED

    server.answer = answer
    async with EndpointJudge(JudgeSettings(url=server.url, model="m"), trial=trial) as judge:
        for _ in range(2):
            assert (await judge.judge(ask(), "Four.")).score == 1
    asked = ["response_format" in body for body in server.requests]
    assert asked == [True, *[False] * (2 + trial)]  # and not once more: it fails for good


@pytest.mark.parametrize(
    "words", ["out of memory", "the worker died while it held a reply to response_format", ""]
)
async def test_a_server_that_fails_refuses_no_schema(server: JudgeServer, words: str) -> None:
    server.answer = lambda body: JSONResponse({"error": {"message": words}}, 500)
    async with judge_at(server, attempts=3) as judge:
        with pytest.raises(JudgeError, match="500"):
            await judge.judge(ask(), "Four.")
    assert ["response_format" in body for body in server.requests] == [True] * 3


async def test_a_request_that_is_refused_either_way(server: JudgeServer) -> None:
    server.answer = lambda body: JSONResponse({"error": {"message": "too long"}}, 400)
    async with judge_at(server) as judge:
        with pytest.raises(JudgeError, match=r"judge 'm', question 'q1'.*too long"):
            await judge.judge(ask(), "Four.")
    assert len(server.requests) == 2


async def test_tags_on_demand(server: JudgeServer) -> None:
    server.answer = lambda body: f"<think>hm</think>{TAGGED}"
    async with judge_at(server, structured="tagged") as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
    assert "response_format" not in server.requests[0]


def cut() -> JSONResponse:
    body = completion(RIGHT)
    body["choices"][0]["finish_reason"] = "length"
    return JSONResponse(body)


def says(**message: Any) -> JSONResponse:
    body = completion("")
    body["choices"][0]["message"] = {"role": "assistant", **message}
    return JSONResponse(body)


def refused() -> JSONResponse:
    return says(content=None, refusal="no")


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": RIGHT}]},
        {"content": [{"type": "output_text", "text": RIGHT}], "refusal": None},
        {"content": [{"type": "thinking", "thinking": "0?"}, {"type": "text", "text": RIGHT}]},
        {"content": RIGHT, "reasoning_content": "0?"},
        {"content": f"<think>0?</think>\n```json\r\n{RIGHT}\r\n```"},
    ],
)
async def test_every_form_of_a_message_is_read(server: JudgeServer, message: Any) -> None:
    server.answer = lambda body: says(**message)
    async with judge_at(server) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1


async def test_reasoning_is_not_shown_to_the_judge(server: JudgeServer) -> None:
    async with judge_at(server) as judge:
        await judge.judge(ask(), "<think>I hope for a 1.</think>Four.")
        await judge.judge(ask(), "[THINK]I hope for a 1.")
    shown = [body["messages"][1]["content"] for body in server.requests]
    assert "Four." in shown[0]
    assert not any("hope" in content for content in shown)


@pytest.mark.parametrize("task", ["math-hard", "ambig_qa", "wildguard", "advbench"])
async def test_without_the_ground_truth_that_it_needs_no_model_is_asked(
    server: JudgeServer, task: str
) -> None:
    async with judge_at(server) as judge:
        verdict = await judge.judge(ask(task, " "), "Four.")
        assert (verdict.score, verdict.reason) == (None, "the question has no ground truth")
        assert (await judge.judge(ask("medium", ""), "Four.")).score == 1
    assert len(server.requests) == 1


MAX_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model."
    " Use 'max_completion_tokens' instead."
)
TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model."
    " Only the default (1) value is supported."
)


def reasoner(body: dict[str, Any]) -> Any:
    """A model that refuses what reasoning models refuse."""
    if "max_tokens" in body:
        return JSONResponse({"error": {"message": MAX_TOKENS}}, 400)
    if "temperature" in body:
        return JSONResponse({"error": {"message": TEMPERATURE}}, 400)
    return RIGHT


async def test_the_limit_that_a_server_wants_is_found_out(
    server: JudgeServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    server.answer = reasoner
    async with judge_at(server, Cache(tmp_path / "c.sqlite"), max_tokens=99) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
        assert len(server.requests) == 3
        assert (await judge.judge(ask(name="q2"), "4.")).score == 1  # asked so from now on
    assert len(server.requests) == 4
    assert server.requests[-1]["max_completion_tokens"] == 99
    assert server.requests[-1]["response_format"]["type"] == "json_schema"
    assert "takes max_completion_tokens in place of max_tokens" in caplog.text
    assert "takes no temperature" in caplog.text
    async with judge_at(server, Cache(tmp_path / "c.sqlite"), max_tokens=99) as again:
        assert (await again.judge(ask(), "Four.")).score == 1
    assert len(server.requests) == 4  # the cache knows the reply, however it was asked for


async def test_what_the_trial_found_out_is_not_asked_again(
    server: JudgeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = reasoner
    settings = JudgeSettings(url=server.url, model="m")
    async with EndpointJudge(settings, trial=True) as judge:
        verdicts = await asyncio.gather(*(judge.judge(ask(name=f"q{n}"), "4.") for n in range(4)))
    assert [verdict.score for verdict in verdicts] == [1] * 4
    assert sum("max_tokens" in body for body in server.requests) == 1
    assert caplog.text.count("it is asked so from now on") == 1
    assert caplog.text.count("takes no temperature") == 1


@pytest.mark.parametrize(
    "error",
    [
        lambda: JSONResponse(
            {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]},
            422,
        ),
        lambda: PlainTextResponse(
            "max_tokens is not allowed; please use max_completion_tokens", 400
        ),
        lambda: JSONResponse(
            {"message": "Unrecognized request argument supplied: max_tokens"}, 400
        ),
        lambda: JSONResponse({"errors": ["unknown field `max_tokens`"]}, 422),
        lambda: JSONResponse({"error": "unexpected keyword argument 'max_tokens'"}, 400),
        lambda: PlainTextResponse("unexpected keyword argument 'max_tokens'", 500),
        lambda: JSONResponse({"error": {"message": "max_tokens is not supported"}}, 501),
    ],
)
async def test_a_refused_limit_is_found_out_in_every_form_of_error(
    server: JudgeServer, error: Callable[[], Any]
) -> None:
    server.answer = lambda body: error() if "max_tokens" in body else RIGHT
    async with judge_at(server) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            lambda: PlainTextResponse("the model is out of memory", 400),
            "the model is out of memory",
        ),
        (lambda: JSONResponse({"detail": "no such adapter"}, 422), "no such adapter"),
        (lambda: JSONResponse(["bad", "request"], 400), "bad"),
    ],
)
async def test_the_words_of_a_server_are_kept(
    server: JudgeServer, body: Callable[[], Any], words: str
) -> None:
    server.answer = lambda request: body()
    async with judge_at(server) as judge:
        with pytest.raises(JudgeError, match=words):
            await judge.judge(ask(), "Four.")


async def test_the_name_of_the_limit_is_a_setting(server: JudgeServer) -> None:
    async with judge_at(server, token_limit="max_completion_tokens", max_tokens=9) as judge:
        await judge.judge(ask(), "Four.")
    async with judge_at(server, extra={"max_completion_tokens": 7}) as judge:
        await judge.judge(ask(), "Four.")
    limits = [(b.get("max_tokens"), b.get("max_completion_tokens")) for b in server.requests]
    assert limits == [(None, 9), (None, 7)]


@pytest.mark.parametrize(
    "message",
    ["max_tokens has to be at most 4096", "temperature has to be between 0 and 1", "no schema"],
)
async def test_another_error_changes_no_name(server: JudgeServer, message: str) -> None:
    server.answer = lambda body: JSONResponse({"error": {"message": message}}, 400)
    async with judge_at(server) as judge:
        with pytest.raises(JudgeError, match=message):
            await judge.judge(ask(), "Four.")
    assert all({"max_tokens", "temperature"} <= body.keys() for body in server.requests)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda: "no idea", "not one JSON object"),
        (lambda: "", "no verdict"),
        (lambda: '{"reason": "r", "score": 7}', "not one of 0, 1"),
        (lambda: '{"reason": "r", "score": NaN}', "NaN"),
        (lambda: RIGHT + RIGHT.replace("1", "0"), "more than one verdict"),
        (lambda: "x" * 10_000_000, "longer"),
        (lambda: '{"reason": "one or two sentences", "score": 1}', "only repeats the form"),
        (cut, "cut off"),
        (refused, "refusal"),
    ],
)
async def test_a_reply_without_a_verdict_is_asked_for_once_more(
    server: JudgeServer, bad: Callable[[], Any], why: str
) -> None:
    server.answer = in_turn(bad(), RIGHT, bad(), bad())
    async with judge_at(server) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
        assert judge.usage == ONE + ONE + Usage(unread=1)  # its tokens count as well
        again = server.requests[1]["messages"][1]["content"]
        assert why in again
        assert "no idea" not in again
        verdict = await judge.judge(ask(), "Four.")
        assert verdict.score is None
        assert why in verdict.reason
        assert judge.usage.unread == 3
    assert len(server.requests) == 4


async def test_a_long_reason_is_cut(server: JudgeServer) -> None:
    server.answer = lambda body: json.dumps({"reason": "r" * 5000, "score": 1})
    async with judge_at(server) as judge:
        assert len((await judge.judge(ask(), "Four.")).reason) == 2000


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": "many", "completion_tokens": 3}, {"prompt_tokens": -1}]
)
async def test_a_server_that_does_not_count(server: JudgeServer, usage: Any) -> None:
    server.answer = lambda body: JSONResponse(completion(RIGHT, usage=usage))
    async with judge_at(server) as judge:
        await judge.judge(ask(), "Four.")
        assert judge.usage == Usage(calls=1, unmetered=1)
        assert judge.usage.cost(Prices(prompt=1, completion=1)) is None


# --- failures ----------------------------------------------------------------------------------


def fails(status: int, **headers: str) -> JSONResponse:
    return JSONResponse({"error": {"message": f"failed with {status}"}}, status, headers=headers)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_what_can_pass_is_tried_again(server: JudgeServer, status: int) -> None:
    server.answer = in_turn(fails(status), fails(status), RIGHT)
    async with judge_at(server, attempts=3) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
        assert judge.usage == ONE + Usage(failed=2)


async def test_each_retry_is_told_in_a_line(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_KEY", "secret")
    said = {"error": {"message": "too much for secret"}}
    server.answer = in_turn(JSONResponse(said, 429), fails(503), RIGHT)
    async with judge_at(server, attempts=3, key_env="SOME_KEY") as judge:
        await judge.judge(ask(), "Four.")
    first, second = [record.getMessage() for record in caplog.records]  # and none of stamina's
    about = f"judge 'm', question 'q1': 'm' at {server.url} failed: Error code: "
    assert first.startswith(f"{about}429")
    assert "too much for ***" in first and "secret" not in caplog.text
    assert second.startswith(f"{about}503")
    assert [line.rpartition("; ")[2] for line in (first, second)] == [
        "attempt 2 of 3 in 0.0 s",
        "attempt 3 of 3 in 0.0 s",
    ]


def test_what_others_retry_is_told_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    _tell_of_retries()
    told: list[str] = []
    before = get_on_retry_hooks()
    _tell_of_retries.cache_clear()
    set_on_retry_hooks([lambda details: told.append(repr(details.caused_by))])
    try:
        _tell_of_retries()
        for attempt in stamina.retry_context(on=ValueError):
            with attempt:
                if attempt.num == 1:
                    raise ValueError("theirs")
    finally:
        set_on_retry_hooks(before)
    assert told == ["ValueError('theirs')"]
    assert caplog.text == ""


async def test_attempts_are_bounded(server: JudgeServer) -> None:
    server.answer = lambda body: fails(503)
    async with judge_at(server, attempts=3) as judge:
        with pytest.raises(JudgeError, match=r"'m', question 'q1': .*failed with 503") as caught:
            await judge.judge(ask(), "Four.")
    assert caught.value.cause == "http 503"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "refuses requests without an API key"),
        (403, "refuses requests without an API key"),
        (404, "no such address or model"),
    ],
)
async def test_what_cannot_pass_is_not(server: JudgeServer, status: int, said: str) -> None:
    server.answer = lambda body: fails(status)
    async with judge_at(server) as judge:
        with pytest.raises(JudgeError, match=said) as caught:
            await judge.judge(ask(), "Four.")
    assert caught.value.cause == f"http {status}"
    assert len(server.requests) == 1


async def test_a_timeout(server: JudgeServer) -> None:
    server.held = asyncio.Event()
    async with judge_at(server, timeout=0.05, attempts=2) as judge:
        with pytest.raises(JudgeError, match=r"within 0\.05 s") as caught:
            await judge.judge(ask(), "Four.")
        assert caught.value.cause == "timeout"
        assert judge.usage == Usage(failed=2)


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = JudgeSettings(url=f"http://127.0.0.1:{port}/v1", model="m", attempts=2)
    async with EndpointJudge(settings, name="main") as judge:
        with pytest.raises(
            JudgeError, match=r"judge 'main', question 'q1': cannot reach"
        ) as caught:
            await judge.judge(ask(), "Four.")
    assert caught.value.cause == "connection"


HALF = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"


@pytest.mark.parametrize(
    ("said", "cause"),
    [(HALF, "connection"), (b"", "connection"), (b"no HTTP\r\n\r\n", "bad reply")],
)
async def test_an_upstream_that_dies_in_the_middle(said: bytes, cause: str) -> None:
    calls = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        settings = JudgeSettings(url=f"http://127.0.0.1:{port}/v1", model="m", attempts=2)
        async with EndpointJudge(settings) as judge:
            with pytest.raises(JudgeError, match=r"'m' at http.*: \w+") as caught:
                await judge.judge(ask(), "Four.")
    assert caught.value.cause == cause
    assert calls == 2


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"hello": 1}),
        JSONResponse({"choices": []}),
        JSONResponse({"choices": [{"index": 0}]}),
        JSONResponse([1]),
        Response("<html>a proxy</html>", media_type="text/html"),
    ],
)
async def test_a_body_that_is_no_completion(server: JudgeServer, answer: Response) -> None:
    server.answer = lambda body: answer
    async with judge_at(server) as judge:
        with pytest.raises(JudgeError, match="no chat completion") as caught:
            await judge.judge(ask(), "Four.")
    assert caught.value.cause == "no completion"


async def test_a_completion_that_is_not_called_json(server: JudgeServer) -> None:
    server.answer = lambda body: Response(json.dumps(completion(RIGHT)), media_type="text/plain")
    async with judge_at(server) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1


async def test_a_body_that_is_no_json_is_tried_again(server: JudgeServer) -> None:
    broken = Response('{"choices": [', media_type="application/json")
    server.answer = in_turn(broken, RIGHT, broken, broken)
    async with judge_at(server, attempts=2) as judge:
        assert (await judge.judge(ask(), "Four.")).score == 1
        with pytest.raises(JudgeError, match="cannot be read") as caught:
            await judge.judge(ask(), "Four.")
        assert caught.value.cause == "bad reply"
        server.answer = lambda body: Response("[" * 1_000_000, media_type="application/json")
        with pytest.raises(JudgeError, match="cannot be read"):
            await judge.judge(ask(), "Four.")


@pytest.mark.parametrize(
    ("named", "wait"),
    [("0", 0.0), ("3", 3.0), ("900", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", True), ("-1", True)],
)
async def test_the_wait_that_the_server_names(
    server: JudgeServer, named: str, wait: float | bool
) -> None:
    server.answer = lambda body: fails(429, **{"retry-after": named})
    async with judge_at(server, attempts=1) as judge:
        with pytest.raises(JudgeError) as caught:
            await judge.judge(ask(), "Four.")
    assert isinstance(caught.value.__cause__, Exception)
    decide = before_retry()
    found = [decide(caught.value.__cause__) for _ in range(8)]
    if wait is True:
        assert found == [True] * 8
    else:  # the wait named, or ours where that is longer, and jitter
        own = [0.5, 1, 2, 4, 8, 16, 30, 30]
        assert all(max(wait, o) <= f <= max(wait, o) + 1 for f, o in zip(found, own, strict=True))
        assert len(set(found)) == 8


async def test_the_key(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    judge = judge_at(server, key_env="SOME_KEY")
    with pytest.raises(ConfigError, match="SOME_KEY"):
        await judge.judge(ask(), "Four.")
    monkeypatch.setenv("SOME_KEY", "secret")
    async with judge:
        await judge.judge(ask(), "Four.")
        said = {"error": {"message": "no such key: secret"}}
        server.answer = lambda body: JSONResponse(said, 401)
        with pytest.raises(JudgeError, match=r"the API key in SOME_KEY: .*\*\*\*") as caught:
            await judge.judge(ask(), "Four.")
    assert server.keys[0] == "Bearer secret"
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(judge.endpoint.settings)


@pytest.mark.parametrize(
    "url", ["", "ftp://x/v1", "localhost:8000", "http://", "http://a:b@x/v1", "http://[x/v1"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        JudgeSettings(url=url, model="m")


# --- limits ------------------------------------------------------------------------------------


async def test_concurrency_is_limited(server: JudgeServer) -> None:
    answers = [(ask(name=str(n)), "Four.") for n in range(12)]
    seen: list[tuple[int, int]] = []
    async with judge_at(server, concurrency=3) as judge:
        found = await judge_all(judge, answers, progress=lambda *done: seen.append(done))
    assert [verdict.score for verdict in found if isinstance(verdict, Verdict)] == [1.0] * 12
    assert server.busiest <= 3
    assert seen == [(n, 12) for n in range(1, 13)]


async def test_requests_are_spaced() -> None:
    now, slept = 0.0, []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    rate = RateLimit(30, clock=lambda: now, sleep=sleep)
    for _ in range(3):
        await rate.wait()
    assert slept == [2.0, 4.0]
    now = 100.0
    await rate.wait()
    assert slept == [2.0, 4.0]
    free = RateLimit(None, clock=lambda: now, sleep=sleep)
    await free.wait()
    await free.wait()
    assert slept == [2.0, 4.0]


async def test_a_batch_tells_each_failure(server: JudgeServer) -> None:
    def answer(body: dict[str, Any]) -> Response | str:
        return fails(404) if "bad" in body["messages"][1]["content"] else RIGHT

    server.answer = answer
    async with judge_at(server) as judge:
        found = await judge_all(judge, [(ask(), "Four."), (ask(), "bad"), (ask(), "4")], workers=2)
    assert [type(verdict) for verdict in found] == [Verdict, JudgeError, Verdict]
    assert await judge_all(judge, []) == []


def stumble(done: int, total: int) -> None:
    _ = done // 0


async def test_a_bug_stops_a_batch(server: JudgeServer) -> None:
    async with judge_at(server) as judge:
        with pytest.raises(ZeroDivisionError):
            await judge_all(judge, [(ask(), "Four.")] * 3, progress=stumble)


async def test_a_batch_that_is_interrupted_goes_on(server: JudgeServer, tmp_path: Path) -> None:
    answers = [(ask(), f"Four {n}.") for n in range(6)]
    gate = asyncio.Event()

    def progress(done: int, count: int) -> None:
        if done == 3:
            server.held = asyncio.Event()  # the server says nothing more
            server.arrived.clear()
            gate.set()

    async with judge_at(server, Cache(tmp_path / "c.sqlite")) as judge:
        batch = asyncio.create_task(judge_all(judge, answers, workers=1, progress=progress))
        await gate.wait()
        await server.arrived.wait()
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
        server.held.set()  # type: ignore[union-attr]
        server.held = None
        before = len(server.requests)
        found = await judge_all(judge, answers)
    assert all(isinstance(verdict, Verdict) and verdict.score == 1 for verdict in found)
    assert len(server.requests) - before == 3  # three were kept


# --- the cache ---------------------------------------------------------------------------------


async def test_a_second_run_costs_nothing(server: JudgeServer, tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    server.answer = in_turn("unreadable", RIGHT)
    async with judge_at(server, Cache(file)) as judge:
        first = await judge.judge(ask(), "Four.")
        assert judge.saved == Usage()
    async with judge_at(server, Cache(file)) as judge:
        assert await judge.judge(ask(), "Four.") == first
        assert judge.usage == Usage()
        assert judge.saved == ONE + ONE + Usage(unread=1)
        assert judge.saved.cost(Prices(prompt=10, completion=100)) == pytest.approx(0.004)
    assert len(server.requests) == 2


async def test_a_second_run_on_a_server_without_schema_costs_nothing(
    server: JudgeServer, tmp_path: Path
) -> None:
    server.answer = in_turn(fails(400), TAGGED)
    file = tmp_path / "c.sqlite"
    for _ in range(2):
        async with judge_at(server, Cache(file)) as judge:
            assert (await judge.judge(ask(), "Four.")).score == 1
    assert len(server.requests) == 2


async def test_whatever_determines_a_reply_makes_another_entry(
    server: JudgeServer, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "c.sqlite")
    for keys in ({}, {"temperature": 0.1}, {"max_tokens": 7}, {"extra": {"a": 1}}, {"seed": 1}):
        async with judge_at(server, cache, **keys) as judge:
            await judge.judge(ask(), "Four.")
    async with judge_at(server, cache) as judge:
        await judge.judge(ask(), "Five.")
        await judge.judge(ask(truth="5"), "Four.")
        await judge.sample(ask(), "Four.", 1)
        await judge.judge(ask(name="another id"), "Four.")  # the id is not shown
    assert len(server.requests) == 8
    assert len(cache) == 8
    cache.close()


async def test_the_same_answer_at_once_is_asked_once(server: JudgeServer, tmp_path: Path) -> None:
    async with judge_at(server, Cache(tmp_path / "c.sqlite")) as judge:
        found = await judge_all(judge, [(ask(), "Four.")] * 8)
        assert judge.saved.calls == 7
    assert len(set(map(str, found))) == 1
    assert len(server.requests) == 1


def test_one_judge_in_several_event_loops(tmp_path: Path) -> None:
    async def run(judge: EndpointJudge | None) -> EndpointJudge:
        async with serve(lambda body: RIGHT) as server:
            judge = judge or judge_at(server)
            judge.endpoint.settings = JudgeSettings(url=server.url, model="m")
            assert (await judge.judge(ask(), "Four.")).score == 1
            await judge.aclose()
            await judge.aclose()
        return judge

    judge = asyncio.run(run(None))
    assert asyncio.run(run(judge)).usage.calls == 2


# --- several verdicts, and two answers ----------------------------------------------------------


def votes(*scores: float | None) -> Callable[[dict[str, Any]], str]:
    # A missing score is a reply that cannot be read, twice.
    said = [
        [f'{{"reason": "r{s}", "score": {s}}}'] if s is not None else ["?", "?"] for s in scores
    ]
    return in_turn(*(one for several in said for one in several))


@pytest.mark.parametrize(
    ("task", "truth", "scores", "vote", "score"),
    [
        ("medium", "t", (1, 4, 4), "majority", 4),
        ("medium", "t", (1, 4, 4), "mean", 3),
        ("medium", "t", (1, 4), "majority", None),
        ("medium", "t", (1, 4), "mean", 2.5),
        ("medium", "t", (None, 4, 4), "mean", 4),
        ("medium", "t", (None, None, 4), "mean", None),
        ("medium", "t", (None, 4), "mean", None),
        # Cases have no mean: 0 and 1 do not make the refusal with an alternative.
        ("wildguard", "harmful", (0, 1, 1), "mean", 1),
        ("wildguard", "harmful", (0, 0.5, 1), "mean", None),
    ],
)
async def test_repeated(
    server: JudgeServer,
    task: str,
    truth: str,
    scores: tuple[float | None, ...],
    vote: Any,
    score: float | None,
) -> None:
    server.answer = votes(*scores)
    async with judge_at(server, temperature=1.0, concurrency=1) as judge:
        verdict = await Repeated(OneByOne(judge), len(scores), vote).judge(ask(task, truth), "x")
    assert verdict.score == score, verdict.reason


class OneByOne:
    """Keeps the samples in order, so that prepared replies meet theirs."""

    def __init__(self, judge: EndpointJudge) -> None:
        self.judge = judge
        self.lock = asyncio.Lock()

    async def sample(self, question: Question, response: str, index: int) -> Verdict:
        async with self.lock:
            return await self.judge.sample(question, response, index)


async def test_repeated_tells_the_spread(server: JudgeServer) -> None:
    server.answer = votes(0, 0.5, 0.5, 0.5)
    async with judge_at(server, temperature=1.0) as judge:
        verdict = await Repeated(OneByOne(judge), 4).judge(ask("wildguard", "harmful"), "x")
    assert verdict.details["samples"] == 4
    assert verdict.details["majority"] == 0.75
    assert verdict.details["spread"] == pytest.approx(0.2165, abs=1e-4)
    assert verdict.details["right_action"] == 0.75
    assert verdict.reason == "r0.5 (0: 1, 0.5: 3)"


async def test_each_sample_has_its_place_in_the_cache(server: JudgeServer, tmp_path: Path) -> None:
    for times in (3, 5):
        async with judge_at(server, Cache(tmp_path / "c.sqlite"), temperature=1.0) as judge:
            await Repeated(judge, times).judge(ask(), "Four.")
    assert len(server.requests) == 5


async def test_each_request_has_a_seed_of_its_own_and_the_same_in_every_run(
    server: JudgeServer,
) -> None:
    async def seeds(seed: int | None) -> list[int | None]:
        begun = len(server.requests)
        async with judge_at(server, temperature=1.0, seed=seed) as judge:
            for answer in ("Four.", "Five."):
                await Repeated(OneByOne(judge), 2).judge(ask(), answer)
        return [body.get("seed") for body in server.requests[begun:]]

    first = await seeds(0)
    assert len(set(first)) == 4
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in first)
    assert await seeds(0) == first
    assert not set(first) & set(await seeds(1))
    assert await seeds(None) == [None] * 4


async def test_repeated_fails_as_its_judge_does(server: JudgeServer) -> None:
    server.answer = lambda body: fails(404)
    async with judge_at(server, temperature=1.0) as judge:
        with pytest.raises(JudgeError, match="'q1'"):
            await Repeated(judge, 3).judge(ask(), "Four.")
        with pytest.raises(ValueError, match="at least 1"):
            Repeated(judge, 0)


@pytest.mark.parametrize(
    ("straight", "swapped", "winner", "consistent"),
    [
        (1, 2, "first", True),
        (2, 1, "second", True),
        (0, 0, "tie", True),
        (1, 1, "tie", False),  # it prefers a position
        (2, 2, "tie", False),
        (1, 0, "tie", False),
        (None, 1, None, None),
        (1, None, None, None),
    ],
)
async def test_two_answers(
    server: JudgeServer,
    straight: int | None,
    swapped: int | None,
    winner: str | None,
    consistent: bool | None,
) -> None:
    def answer(body: dict[str, Any]) -> str:
        user = body["messages"][1]["content"]
        score = straight if user.index("apple") < user.index("pear") else swapped
        return "?" if score is None else f'{{"reason": "r", "score": {score}}}'

    server.answer = answer
    async with judge_at(server) as judge:
        preference = await compare(judge, ask(), "apple", "pear")
    assert (preference.winner, preference.consistent) == (winner, consistent)
