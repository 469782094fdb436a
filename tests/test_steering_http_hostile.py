"""Upstreams that die, lie and stall: each ends in one error that names it, or is put up with."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering import Sampling, WriteReport
from gtalign.steering.http import Engine, HTTPBackend, HTTPDraft, Method, Timeouts, connect
from gtalign.steering.http.engines import LLAMA_CPP, UNKNOWN, VLLM
from gtalign.steering.http.transport import Transport
from gtalign.tasks import Message
from standins.hostile import STREAM, Act, misbehaving, status

LONG = Timeouts(connect=60, first=60, between=60)
MUTE = Timeouts(connect=60, first=60, between=0.05)
ASK: list[Message] = [{"role": "user", "content": "Well?"}]


def event(text: Any = "", finish: Any = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


END = event(finish="stop") + b"data: [DONE]\n\n"


def draft(
    url: str,
    engine: Engine = UNKNOWN,
    method: Method = "prefill",
    timeouts: Timeouts = LONG,
    key: str | None = None,
) -> tuple[HTTPDraft, Transport]:
    transport = Transport(url, key, timeouts)
    return HTTPBackend(transport, "toy", engine, method).open(ASK, Sampling()), transport


async def written(acts: Sequence[Act], *, fails: bool = False, **options: Any) -> Any:
    """Write against a server that does this; returns the draft, or it and the error."""
    limits = {"max_tokens": options.pop("max_tokens", 100), "stop": options.pop("stop", None)}
    async with misbehaving(acts) as url:
        made, transport = draft(url, **options)
        try:
            slices = []
            if not fails:
                slices = [piece async for piece in made.write(**limits)]
                assert "".join(slices) == made.text
                return made
            with pytest.raises(UpstreamError) as caught:
                async for piece in made.write(**limits):
                    slices.append(piece)
            assert "".join(slices) == made.text
            told = made.report
            assert (told is not None) is bool(made.text)
            assert told is None or (told.finish == "broken" and told.tokens > 0)
            assert caught.value.upstream == f"{url}/v1 (unknown engine, prefill)"
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
            return made, str(caught.value)
        finally:
            await transport.aclose()


REFUSALS: dict[str, tuple[Act, str]] = {
    "json": (
        status("400 Bad Request", b'{"error": {"message": "no such field"}}'),
        "POST /v1/chat/completions answered 400 Bad Request: 'no such field'",
    ),
    "detail": (
        status("422 Unprocessable", b'{"detail": [{"msg": "extra"}]}'),
        'answered 422 Unprocessable: \'[{"msg": "extra"}]\'',
    ),
    "html": (
        status("502 Bad Gateway", b"<html>\n<b>nginx</b>\x1b[31m</html>", "text/html"),
        r"answered 502 Bad Gateway: '<html> <b>nginx</b>\x1b[31m</html>'",
    ),
    "huge": (status("500 Oops", b"x" * (10 << 20)), "answered 500 Oops: 'xxxx"),
    "empty": (status("500 Oops", b""), "answered 500 Oops"),
    "cut": (b"HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nabc", "answered 500 Oops"),
    "key": (status("401 Unauthorized", b'"bad"'), "'bad'; pass the right key as api_key"),
    "missing": (status("404 Not Found", b"{}"), "404 Not Found: '{}'; check the model's name"),
    "busy": (
        status("429 Too Many", b'"slow down"', "application/json", "Retry-After: 7"),
        "'slow down'; too many requests: send fewer, or later (in '7' s, it says)",
    ),
    "loading": (
        status("503 Loading", b'{"error": {"message": "Loading model"}}'),
        "'Loading model'; overloaded, or still loading its model",
    ),
    "redirect": (
        status("302 Found", b"", "text/plain", "Location: http://evil.example/"),
        "redirects are not followed: give the address 'http://evil.example/'",
    ),
    "compressed": (
        status("200 OK", b"\x1f\x8b", "application/json", "Content-Encoding: gzip"),
        "answered in 'gzip', though asked for no compression",
    ),
    "page": (
        status("200 OK", b"<html>hi</html>", "text/html"),
        "answered with a web page: '<html>",
    ),
    "no http": (b"SSH-2.0-OpenSSH\r\n\r\n", "broke off while waiting for the first byte"),
    "reset": ("reset", "broke off while waiting for the first byte, after 0 bytes"),
    "huge json": (status("200 OK", b" " * (5 << 20)), "answered with more than 4194304 bytes"),
    "no json": (status("200 OK", b"{nope"), "sent what is not JSON"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_an_answer_that_is_none(case: str) -> None:
    act, message = REFUSALS[case]
    made, error = await written([act], fails=True)
    assert message in error
    assert made.text == ""


STREAMS: dict[str, tuple[list[Act], str]] = {
    "eof": ([], "without a 'finish_reason', after 5 characters in 1 events"),
    "done, no finish": ([b"data: [DONE]\n\n"], "without a 'finish_reason'"),
    "cut event": ([b'data: {"choices": [{"del'], "sent what is not JSON"),
    "hang": (["hang"], "timed out: nothing came for 0.05 s while waiting for more"),
    "utf-8": ([b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n'], "is not JSON"),
    "surrogate": ([b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n'], "not JSON"),
    "large event": ([b"data: " + b"x" * (2 << 20)], "sent an event of more than 1048576 bytes"),
    "no lines": ([b"x" * (10 << 20)], "sent an event of more than 1048576 bytes"),
    "wrong json": ([b"data: {]\n\n"], "sent what is not JSON"),
    "error": ([b'data: {"error": {"message": "out of memory"}}\n\n'], "error: 'out of memory'"),
    "error object": ([b'data: {"object": "error", "message": "no"}\n\n'], "an error: 'no'"),
    "error event": ([b'event: error\ndata: "overloaded"\n\n'], "an error: 'overloaded'"),
    "list": ([b"data: []\n\n"], "an event is list, not an object"),
    "no choices": ([b"data: {}\n\n"], "an event without 'choices'"),
    "two choices": ([b'data: {"choices": [{}, {}]}\n\n'], "not a list of one object"),
    "other choice": ([b'data: {"choices": [{"index": 1}]}\n\n'], "choice 1, where one"),
    "delta": ([b'data: {"choices": [{"delta": "x"}]}\n\n'], "'delta' is str"),
    "content": ([event(["x"])], "'content' is list, not text"),
    "finish": ([event("x", 3)], "'finish_reason' is int, not text"),
    "other finish": ([event("x", "content_filter")], "finish_reason 'content_filter'"),
    "usage": ([b'data: {"choices": [], "usage": 3}\n\n'], "'usage' is int, not an object"),
    "count": (
        [b'data: {"choices": [], "usage": {"completion_tokens": -1}}\n\n'],
        "'completion_tokens' is -1, not a number of tokens",
    ),
    "after finish": ([event(finish="stop"), event("more")], "text after its 'finish_reason'"),
    "reasoning": ([b'data: {"choices": [{"delta": {"reasoning": "hm"}}]}\n\n'], "reasoning beside"),
    "endless": ([event("x" * 3000)] * 40, "it ignores max_tokens, which is 100"),
}


@pytest.mark.parametrize("case", STREAMS)
async def test_a_stream_that_goes_wrong_keeps_what_came_before(case: str) -> None:
    acts, message = STREAMS[case]
    timeouts = MUTE if "hang" in acts else LONG
    made, error = await written([STREAM, event("so it"), *acts], fails=True, timeouts=timeouts)
    assert message in error
    assert made.text.startswith("so it")


async def test_a_connection_that_breaks_keeps_what_came_before() -> None:
    head = STREAM[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = event("so it")
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    for act in (b"", b"ffff\r\nda"):
        made, error = await written([head, chunk, act, "reset"], fails=True)
        assert "broke off while waiting for more of the answer, after" in error
        assert made.text == "so it"


async def test_silence_is_not_waited_for_forever() -> None:
    deaf = Timeouts(connect=60, first=0.05, between=60)
    cases: list[tuple[list[Act], str]] = [
        (["hang"], "the first byte"),
        ([STREAM, "hang"], "more of the answer"),
    ]
    for acts, what in cases:
        _, error = await written(acts, fails=True, timeouts=deaf)
        # On a slow machine the head may be late as well, where the body was meant to be.
        assert "timed out: nothing came for 0.05 s while waiting for" in error
        assert what in error or "the first byte" in error
    endless = Timeouts(connect=60, first=60, between=60, total=0.05)
    _, error = await written([STREAM, *[b": ping\n\n"] * 3, "hang"], fails=True, timeouts=endless)
    assert "the answer is not complete after 0.05 s" in error


async def test_a_server_that_is_not_there() -> None:
    async with misbehaving([]) as url:
        pass
    for target, message in (
        (url, "cannot be reached: .*is it running there"),
        ("http://no-such-host.invalid", "cannot be reached"),
    ):
        with pytest.raises(UpstreamError, match=message):
            await connect(target, model="toy", timeouts=Timeouts(connect=20))


async def test_a_connection_that_takes_too_long() -> None:
    async with misbehaving([]) as url:
        with pytest.raises(UpstreamError, match="no connection within 1e-09 s; is it running"):
            await connect(url, timeouts=Timeouts(connect=1e-9))


async def test_the_key_is_in_no_message() -> None:
    body = b'{"error": {"message": "key sk-secret is wrong"}}'
    _, error = await written([status("401 No", body)], fails=True, key="sk-secret")
    assert "sk-secret" not in error
    assert "'key [key] is wrong'" in error
    for wrong in ("sk\nsecret", "sk secret", "schlüssel"):
        with pytest.raises(SteeringError) as caught:
            draft("http://127.0.0.1", key=wrong)
        assert wrong not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8000", "looks like http://"),
        ("ftp://x", "looks like http://"),
        ("http://", "looks like http://"),
        ("http://x:99999", "looks like http://"),
        ("http://[x", "looks like http://"),
        ("http://user:secret@x/v1", "may hold no user, query or fragment"),
        ("http://x/v1?key=secret", "may hold no user, query or fragment"),
        ("user:secret@x/v1", "looks like http://"),
    ],
)
def test_addresses_that_are_none(url: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message) as caught:
        Transport(url, None, LONG)
    assert "secret" not in str(caught.value)


def test_addresses_come_in_one_form() -> None:
    for url, api, root in (
        ("http://x:8000", "http://x:8000/v1", "http://x:8000"),
        (" http://x/v1/ ", "http://x/v1", "http://x"),
        ("https://x/beta", "https://x/beta", "https://x/beta"),
        ("https://x/llm/v1", "https://x/llm/v1", "https://x/llm"),
    ):
        transport = Transport(url, None, LONG)
        assert (transport.api, transport.root) == (api, root)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_timeouts_have_to_be_some(seconds: float) -> None:
    with pytest.raises(SteeringError, match="timeout 'between' is"):
        Timeouts(between=seconds)


DIALECTS: dict[str, list[Act]] = {
    "plain": [event("Hé"), event("llo\N{SNOWMAN}"), END],
    "no done": [event("Hé"), event("llo\N{SNOWMAN}"), event(finish="stop")],
    "finish with text": [event("Hé"), event("llo\N{SNOWMAN}", "stop")],
    "no blank line at the end": [event("Hé"), event("llo\N{SNOWMAN}", "stop").rstrip()],
    "crlf": [(event("Hé") + event("llo\N{SNOWMAN}") + END).replace(b"\n", b"\r\n")],
    "no space": [(event("Hé") + event("llo\N{SNOWMAN}") + END).replace(b"data: ", b"data:")],
    "comments": [b": hi\n\n", event("Hé"), b":\n", event("llo\N{SNOWMAN}"), b":\n\n", END],
    "empty deltas": [event(None), event(""), event("Hé"), event(), event("llo\N{SNOWMAN}"), END],
    "role only": [
        b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n',
        b'data: {"choices": [{"delta": null}], "usage": null}\n\n',
        b'data: {"choices": []}\n\n',
        b'data: {"choices": null}\n\n',
        b'data: {"choices": null, "usage": null}\n\n',
        event("Hé"),
        event("llo\N{SNOWMAN}"),
        END,
    ],
    "many lines": [
        b'data: {"choices": [{"delta":\ndata: {"content": "H\xc3\xa9llo\xe2\x98\x83"},\n'
        b'data: "finish_reason": "stop"}]}\n\n'
    ],
    "split characters": [
        bytes([byte]) for byte in event("Hé") + event("llo\N{SNOWMAN}") + END
    ],
    "hangs after done": [event("Hé"), event("llo\N{SNOWMAN}"), END, "hang"],
    "resets after done": [event("Hé"), event("llo\N{SNOWMAN}"), END, "reset"],
}  # fmt: skip


@pytest.mark.parametrize("case", DIALECTS)
async def test_dialects_are_understood(case: str) -> None:
    made = await written([STREAM, *DIALECTS[case]])
    assert made.text == "Héllo\N{SNOWMAN}"
    assert made.report is not None and made.report.finish == "end"


async def test_an_answer_in_one_piece_is_one() -> None:
    body = {
        "choices": [{"message": {"content": "Hé</x>llo"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    act = status("200 OK", json.dumps(body).encode())
    made = await written([act])
    assert (made.text, made.report) == ("Hé</x>llo", WriteReport("end", 3, 7))
    made = await written([act], stop="</x>")
    assert (made.text, made.report) == ("Hé</x>", WriteReport("stop", 3, 7))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.lists(st.text("ab<x>é", max_size=4), max_size=8),
    st.sampled_from(["x", "<x>", "abab", "é<"]),
)
async def test_a_write_ends_with_the_stop_string_however_it_comes(
    texts: list[str], stop: str
) -> None:
    made = await written([STREAM, *map(event, texts), END], stop=stop)
    whole = "".join(texts)
    head, found, _ = whole.partition(stop)
    assert made.text == head + found
    assert made.report is not None and made.report.finish == ("stop" if found else "end")


async def test_out_of_tokens_is_told_from_the_end() -> None:
    made = await written([STREAM, event("a"), event("b", "length")])
    assert made.report == WriteReport("length", 2)


def completion(text: str, finish: str | None = None, **more: Any) -> bytes:
    choice = {"text": text, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


async def test_trailers_that_never_end_are_left() -> None:
    made = await written([STREAM, event("a", "stop"), b'data: {"choices": []}\n\n' * 9, "hang"])
    assert made.report == WriteReport("end", 1)


async def test_goes_on_from_the_token_that_went_on_behind_the_stop_string() -> None:
    async with misbehaving([STREAM, event("a</x"), event(">\n<y>b</x>"), END]) as url:
        made, transport = draft(url)
        assert await collected(made, stop="</x>") == "a</x>"
        made.rewrite("edited</x>")
        assert await collected(made, stop="</x>") == "\n<a</x>"
        made.rewrite("other")
        assert await collected(made, stop="</x>") == "a</x>"
        assert await collected(made, stop="\n") == "\n"  # and nothing is asked for
        assert made.report == WriteReport("stop", 0)
        await transport.aclose()


async def test_a_grammar_tells_by_itself_what_follows_the_stop_string() -> None:
    async with misbehaving([STREAM, event("a</x>\n<"), END]) as url:
        made, transport = draft(url, engine=LLAMA_CPP)
        assert await collected(made, stop="</x>") == "a</x>"
        assert await collected(made, grammar="root ::= x") == "a</x>\n<"
        await transport.aclose()


async def collected(made: HTTPDraft, **limits: Any) -> str:
    return "".join([piece async for piece in made.write(**({"max_tokens": 100} | limits))])


@pytest.mark.parametrize(
    ("answer", "method", "message"),
    [
        (b'{"tokens": "x"}', "completions-ids", "/tokenize answered without a list 'tokens'"),
        (b'{"tokens": []}', "completions-ids", "/tokenize answered without a list 'tokens'"),
        (b"[]", "completions-ids", "/tokenize answered without a list 'tokens'"),
        (b'{"tokens": [1]}', "completions-ids", "/detokenize answered without 'prompt'"),
        (b'{"prompt": 3}', "completions-text", "/apply-template answered without 'prompt'"),
        (b"null", "completions-text", "/apply-template answered without 'prompt'"),
    ],
)
async def test_helpers_that_answer_in_another_shape(
    answer: bytes, method: Method, message: str
) -> None:
    async with misbehaving([status("200 OK", answer)]) as url:
        made, transport = draft(url, VLLM, method)
        made.rewrite("x")
        with pytest.raises(UpstreamError, match=message):
            await anext(made.write(max_tokens=9))
        await transport.aclose()


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (completion("x"), "text without 'token_ids'"),
        (completion("x", token_ids=[-1]), "'token_ids' is not a list of token ids"),
        (completion("x", token_ids=[5] * 4), "it ignores max_tokens, which is 3"),
    ],
)
async def test_tokens_that_are_none(piece: bytes, message: str) -> None:
    tokens = status("200 OK", b'{"tokens": [1, 2]}')
    async with misbehaving([tokens]) as helper, misbehaving([STREAM, piece]) as url:
        made, transport = draft(helper, VLLM, "completions-ids")
        transport.api = f"{url}/v1"  # one server for tokens, one for text
        with pytest.raises(UpstreamError, match=message):
            await anext(made.write(max_tokens=3))
        await transport.aclose()


async def test_a_rendering_that_is_no_text() -> None:
    transport = Transport("http://127.0.0.1:1", None, LONG)
    render: Any = list
    backend = HTTPBackend(transport, "toy", LLAMA_CPP, "completions-text", render=render)
    with pytest.raises(SteeringError, match="render returned list, not text"):
        await anext(backend.open(ASK, Sampling()).write(max_tokens=1))
    await backend.aclose()
