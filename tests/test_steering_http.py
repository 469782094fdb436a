"""Every way to continue a message, against servers that are true to their engines."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering import Draft, Sampling, WriteReport
from gtalign.steering.http import HTTPBackend, Method, connect
from gtalign.tasks import Message
from standins import model, tokens
from standins.engines import VLLM, LlamaCpp, LlamaCppPython, SGLang
from standins.server import StandIn, rendered, serving
from standins.services import DeepSeek, Restating, Service

QUESTION = "Where to, in Zürich?"
MESSAGES: list[Message] = [
    {"role": "system", "content": "Write four blocks."},
    {"role": "user", "content": QUESTION},
]
STOP = "</payoff>"
EDITED = model.MATRIX | {"VQ_DA": {"LLM": 5.0, "user": 5.0}}
BEFORE = model.thinking(QUESTION) + f"<payoff>{model.matrix_text()}</payoff>"
AFTER = model.chain(QUESTION, EDITED)

CASES = [
    (VLLM, "completions-ids", "vLLM"),
    (lambda: VLLM(tokenizer=False), "continue-final", "vLLM"),
    (lambda: VLLM(ids=False), "continue-final", "vLLM"),
    (SGLang, "continue-final", "SGLang"),
    (LlamaCpp, "completions-text", "llama.cpp"),
    (lambda: LlamaCpp(template=False), "continue-final", "llama.cpp"),
    (lambda: LlamaCpp(template=False, prefill=False), "continue-final", "llama.cpp"),
    (lambda: LlamaCpp(template=False, flags=False), "continue-final", "llama.cpp"),
    (LlamaCppPython, "completions-text", "llama-cpp-python"),
    (DeepSeek, "prefix", "unknown engine"),
]


def report_of(draft: Draft) -> WriteReport:
    """What a draft says of what it wrote last."""
    assert draft.report is not None
    return draft.report


async def write(draft: Draft, **limits: Any) -> str:
    """Write on, and hold the slices against what the text grows by."""
    before = draft.text
    slices = [piece async for piece in draft.write(**({"max_tokens": 4000} | limits))]
    assert draft.text == before + "".join(slices)
    assert all(slices)
    return "".join(slices)


@asynccontextmanager
async def connected(standin: StandIn, **options: Any) -> AsyncGenerator[HTTPBackend, None]:
    """Serve, connect, and close both in the end."""
    async with serving(standin) as url:
        options = {"api_key": standin.key} | options
        if isinstance(standin, LlamaCppPython):
            options["render"] = rendered
        async with aclosing(await connect(url, **options)) as backend:
            yield backend


@pytest.mark.parametrize(("standin", "method", "engine"), CASES)
async def test_an_edited_matrix_changes_the_answer(standin, method: Method, engine: str) -> None:
    async with connected(standin()) as backend:
        assert backend.name.startswith("http://127.0.0.1:")
        assert backend.name.endswith(f"/v1 ({engine}, {method})")
        assert backend.can_resume
        draft = backend.open(MESSAGES, Sampling())
        assert await write(draft, stop=STOP) == draft.text == BEFORE
        assert draft.report is not None and report_of(draft).finish == "stop"
        draft.rewrite(BEFORE.replace(model.matrix_text(), model.matrix_text(EDITED)))
        await write(draft)
        assert draft.text == AFTER
        assert report_of(draft).finish == "end"


@pytest.mark.parametrize(("standin", "method", "engine"), CASES)
async def test_goes_on_after_running_out_of_tokens(standin, method: Method, engine: str) -> None:
    async with connected(standin()) as backend:
        draft = backend.open(MESSAGES, Sampling())
        finishes: list[str] = []
        while not finishes or finishes[-1] == "length":
            await write(draft, max_tokens=23)
            finishes.append(report_of(draft).finish)
            assert report_of(draft).tokens <= 23
        assert len(finishes) > 2 and finishes[-1] == "end"
        assert draft.text == model.chain(QUESTION)


@pytest.mark.parametrize("method", ["prefill", "continue-final", "completions-text"])
async def test_a_method_that_is_named_is_the_only_one_tried(method: Method) -> None:
    async with connected(LlamaCpp(), method=method) as backend:
        assert [trial.method for trial in backend.report] == [method]
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, stop=STOP)
        draft.rewrite(BEFORE.replace(model.matrix_text(), model.matrix_text(EDITED)))
        await write(draft)
        assert draft.text == AFTER


async def test_tokens_before_an_edit_are_those_that_were_written() -> None:
    standin = VLLM()
    async with connected(standin) as backend:
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, stop=STOP)
        written = tokens.encode(model.chain(QUESTION), salt=1)
        assert written != tokens.encode(model.chain(QUESTION))  # the model has its own cuts
        edited = draft.text.replace('3.5},"VQ_DA"', '-3.5},"VQ_DA"')
        draft.rewrite(edited)
        standin.requests.clear()
        await write(draft)
        [body] = standin.bodies("/v1/completions")
        conversation = tokens.encode(rendered(MESSAGES))
        assert body["prompt"][: len(conversation)] == conversation
        ours = body["prompt"][len(conversation) :]
        assert tokens.decode(ours) == edited + "\n<"  # the last token is whole, too
        kept = len(tokens.decode(written).split("3.5}")[0])
        texts = tokens.texts(written)
        before = max(n for n in range(len(texts)) if len("".join(texts[:n])) <= kept and texts[n])
        assert ours[:before] == written[:before]
        # Only what follows was put into tokens anew.
        [spliced] = standin.bodies("/tokenize")
        assert spliced["prompt"] == (edited + "\n<")[len("".join(texts[:before])) :]


async def test_an_unchanged_message_goes_on_from_its_own_tokens() -> None:
    standin = VLLM()
    async with connected(standin) as backend:
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, max_tokens=40)
        standin.requests.clear()
        draft.rewrite(draft.text)
        await write(draft)
        [(path, body)] = standin.requests
        assert path == "/v1/completions"
        written = tokens.encode(model.chain(QUESTION), salt=1)
        assert body["prompt"][len(tokens.encode(rendered(MESSAGES))) :] == written[:40]
        assert draft.text == model.chain(QUESTION)


async def test_a_tokenizer_that_does_not_give_text_back_is_found_out() -> None:
    class Lossy(VLLM):
        async def detokenize(self, body):
            return {"prompt": tokens.decode(body["tokens"]).replace(" ", "")}

    async with connected(Lossy()) as backend:
        assert backend.method == "continue-final"
        assert "changes a text on the way to tokens and back" in backend.report[0].detail


async def test_a_tokenizer_may_compose_characters() -> None:
    class Composing(VLLM):
        async def tokenize(self, body):
            if "prompt" in body:
                body = body | {"prompt": unicodedata.normalize("NFC", body["prompt"])}
            return await super().tokenize(body)

    async with connected(Composing()) as backend:
        assert backend.method == "completions-ids"
        draft = backend.open(MESSAGES, Sampling())
        draft.rewrite(unicodedata.normalize("NFD", model.chain(QUESTION)[:40]))
        await write(draft, stop="<payoff>")
        assert report_of(draft).finish == "stop"


async def test_parts_that_do_not_fit_are_put_into_tokens_as_a_whole() -> None:
    class Joining(VLLM):
        """Drops the first tab of what it puts into tokens, unless it begins a message."""

        async def tokenize(self, body):
            if body.get("prompt", "").startswith("\t"):
                body = body | {"prompt": body["prompt"][1:]}
            return await super().tokenize(body)

    standin = Joining()
    async with connected(standin) as backend:
        draft = backend.open(MESSAGES, Sampling())
        draft.rewrite('<thinking></thinking><payoff>{"DQ_AQ":{"LLM":')
        await write(draft, max_tokens=1)
        draft.rewrite('<thinking></thinking><payoff>{"DQ_AQ":{"LLM":\t9')
        standin.requests.clear()
        await write(draft, max_tokens=1)
        prompts = [body["prompt"] for body in standin.bodies("/tokenize")]
        assert prompts == ["\t9", '<thinking></thinking><payoff>{"DQ_AQ":{"LLM":\t9']


@pytest.mark.parametrize(
    ("standin", "counted", "prompt"),
    [
        (VLLM, True, True),
        (SGLang, True, True),
        (LlamaCpp, True, True),
        (LlamaCppPython, False, False),
    ],
)
async def test_reports_what_the_engine_counts(standin, counted: bool, prompt: bool) -> None:
    async with connected(standin()) as backend:
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, max_tokens=10)
        assert report_of(draft).finish == "length"
        assert report_of(draft).tokens == 10 if counted else 0 < report_of(draft).tokens <= 10
        size = len(tokens.encode(rendered(MESSAGES)))
        assert report_of(draft).prompt_tokens == (size if prompt else None)
        await write(draft, stop="</thinking>")
        assert report_of(draft).finish == "stop"
        assert report_of(draft).tokens > 0


async def test_reports_cached_tokens() -> None:
    for standin, cached in ((VLLM(), 32), (LlamaCpp(), 8)):
        async with connected(standin) as backend:
            draft = backend.open(MESSAGES, Sampling())
            await write(draft, max_tokens=5)
            assert draft.report == WriteReport(
                "length", 5, len(tokens.encode(rendered(MESSAGES))), cached
            )


@pytest.mark.parametrize("standin", [VLLM, SGLang, LlamaCpp, DeepSeek])
async def test_closing_a_write_stops_the_engine(standin) -> None:
    server = standin()
    async with connected(server) as backend:
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, max_tokens=3)
        before = draft.text
        server.hold_after = 12
        writing = draft.write(max_tokens=500)
        first = await anext(writing)
        assert draft.text == before + first
        with pytest.raises(SteeringError, match="while it is written"):
            draft.rewrite("")
        with pytest.raises(SteeringError, match="once at a time"):
            await anext(draft.write(max_tokens=5))
        await writing.aclose()
        await server.gone.wait()
        assert draft.report is not None and report_of(draft).finish == "closed"
        assert report_of(draft).tokens > 0
        server.hold_after = None
        await write(draft)
        assert draft.text == model.chain(QUESTION)


@pytest.mark.parametrize("standin", [VLLM, SGLang, LlamaCpp, DeepSeek])
async def test_no_engine_is_told_the_stop_string_but_each_is_stopped(standin) -> None:
    server = standin()
    async with connected(server) as backend:
        draft = backend.open(MESSAGES, Sampling())
        server.hold_after = 150
        await write(draft, stop="</thinking>")
        assert draft.text == model.thinking(QUESTION).rstrip()
        path, body = server.requests[-1]
        assert "stop" not in body and path.endswith("completions")
        await server.gone.wait()
        texts = tokens.texts(tokens.encode(model.chain(QUESTION), salt=1))
        count = next(n for n in range(len(texts)) if "</thinking>" in "".join(texts[:n]))
        assert report_of(draft).finish == "stop"
        if backend.engine.name == "unknown engine":
            assert 0 < report_of(draft).tokens < count  # events with text
        else:
            assert report_of(draft).tokens == count
            assert report_of(draft).prompt_tokens == len(tokens.encode(rendered(MESSAGES)))


async def test_cancelling_a_write_stops_the_engine() -> None:
    server = VLLM()
    async with connected(server) as backend:
        draft = backend.open(MESSAGES, Sampling())
        server.hold_after = 5
        begun = asyncio.Event()

        async def consume() -> None:
            async for _ in draft.write(max_tokens=500):
                begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.gone.wait()
        assert model.chain(QUESTION).startswith(draft.text)
        assert draft.report is not None and report_of(draft).finish == "closed"
        assert report_of(draft).tokens > 0
        server.hold_after = None
        await write(draft)
        assert draft.text == model.chain(QUESTION)


async def test_a_stop_string_that_was_written_before_does_not_count() -> None:
    async with connected(LlamaCpp()) as backend:
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, stop=STOP)
        new = await write(draft, stop="analyze>")
        assert new == "\n<analyze>"
        new = await write(draft, stop="analyze>")
        assert new.endswith("</analyze>")


async def test_each_engine_gets_its_own_fields() -> None:
    sampling = Sampling(0.5, 0.9, 7, 3, {"presence_penalty": 1})
    grammars = {
        VLLM: {"structured_outputs": {"grammar": "root ::= x"}, "top_k": 7},
        SGLang: {"ebnf": "root ::= x", "top_k": 7},
        LlamaCpp: {"grammar": "root ::= x", "top_k": 7, "timings_per_token": True},
    }
    for standin, fields in grammars.items():
        server = standin()
        async with connected(server) as backend:
            assert backend.grammar in ("ebnf", "gbnf")
            draft = backend.open(MESSAGES, sampling)
            await write(draft, max_tokens=3, grammar="root ::= x")
            body = server.requests[-1][1]
            assert body.items() >= fields.items()
            assert body.items() >= {
                "temperature": 0.5, "top_p": 0.9, "seed": 3, "presence_penalty": 1, "min_p": 0.0
            }.items()  # fmt: skip
            await write(backend.open(MESSAGES, Sampling()), max_tokens=3)
            assert server.requests[-1][1]["top_k"] == (-1 if standin is SGLang else 0)


async def test_parameters_of_the_template_go_where_it_is_rendered() -> None:
    sampling = Sampling(extra={"chat_template_kwargs": {"enable_thinking": False}})
    for server, path in (
        (VLLM(), "/tokenize"),
        (LlamaCpp(), "/apply-template"),
        (SGLang(), "/v1/chat/completions"),
    ):
        async with connected(server) as backend:
            server.requests.clear()
            await write(backend.open(MESSAGES, sampling), max_tokens=3)
            with_it = [where for where, body in server.requests if "chat_template_kwargs" in body]
            assert with_it == [path]
    async with connected(LlamaCppPython()) as backend:
        with pytest.raises(SteeringError, match="render decides"):
            backend.open(MESSAGES, sampling)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (Sampling(extra={"stream": False, "n": 2}), "extra may not set 'n', 'stream'"),
        (Sampling(extra={"temperature": 0.1}), "'temperature'"),
        (Sampling(extra={"guided_json": {"type": "object"}}), "'guided_json'"),
        (Sampling(temperature=float("nan")), "temperature is nan"),
        (Sampling(temperature=-1), "temperature is -1"),
        (Sampling(top_p=0), "top_p is 0"),
        (Sampling(top_k=-1), "top_k is -1"),
    ],
)
async def test_refuses_sampling_that_is_none(sampling: Sampling, message: str) -> None:
    async with connected(LlamaCpp()) as backend:
        with pytest.raises(SteeringError, match=message):
            backend.open(MESSAGES, sampling)


async def test_refuses_writes_that_cannot_be() -> None:
    server = DeepSeek()
    async with connected(server) as backend:
        draft = backend.open(MESSAGES, Sampling())
        for limits, message in (
            ({"max_tokens": 0}, "max_tokens is 0"),
            ({"stop": ""}, "empty stop string"),
            ({"grammar": "root ::= x"}, "cannot be held to a grammar"),
        ):
            with pytest.raises(SteeringError, match=message):
                await write(draft, **limits)
        for text in ("\ud800", "x"):
            draft = backend.open(
                MESSAGES, Sampling(extra={"user": object()} if text == "x" else {})
            )
            draft.rewrite(text)
            with pytest.raises(SteeringError, match="cannot be written as JSON"):
                await write(draft)
        draft.rewrite("")  # a write that failed is over


async def test_an_upstream_that_begins_anew_is_refused() -> None:
    async with serving(Service()) as url:
        with pytest.raises(SteeringError) as caught:
            await connect(url, api_key="sk-toy")
        message = str(caught.value)
        for method in (
            "completions-ids",
            "completions-text",
            "continue-final",
            "prefill",
            "prefix",
        ):
            assert f"{method}: " in message
        assert "starts again" in message and "404" in message
        for way in ("--tokenizer", "upstream.tokenizer=", "render=", "--fallback reask"):
            assert way in message
        assert "sk-toy" not in message


async def test_an_upstream_that_restates_is_refused() -> None:
    async with serving(Restating()) as url:
        with pytest.raises(SteeringError, match="prefill: repeats the text to continue"):
            await connect(url, method="prefill")


@pytest.mark.parametrize("options", [{"fallback_reask": True}, {"method": "none"}])
async def test_without_a_method_only_asking_again_is_left(options: dict[str, object]) -> None:
    async with connected(Service(), **options) as backend:
        assert (backend.can_resume, backend.method) == (False, "none")
        assert not any(trial.works for trial in backend.report)
        draft = backend.open(MESSAGES, Sampling())
        await write(draft, stop=STOP)
        assert draft.text == BEFORE
        with pytest.raises(SteeringError, match="cannot continue an edited message") as caught:
            draft.rewrite(BEFORE)
        assert ("starts again" in str(caught.value)) == bool(backend.report)
        with pytest.raises(SteeringError, match="cannot continue a message that has begun"):
            await write(draft)


async def test_knows_engines_that_hide_behind_another_name() -> None:
    for standin, name in ((VLLM, "vLLM"), (SGLang, "SGLang"), (LlamaCpp, "llama.cpp")):
        server = standin()
        server.owner = "our team"
        async with connected(server) as backend:
            assert backend.engine.name == name


async def test_finds_the_model_and_takes_the_key_from_the_environment(monkeypatch) -> None:
    server = LlamaCpp()
    server.key = "sk-toy"
    async with serving(server) as url:
        monkeypatch.setenv("GTALIGN_UPSTREAM_KEY", "sk-toy")
        async with aclosing(await connect(url + "/v1/")) as backend:
            assert backend.model == "toy"
        with pytest.raises(UpstreamError, match="401 Unauthorized: 'no such key'; pass the right"):
            await connect(url, api_key="sk-wrong")
        with pytest.raises(SteeringError, match=r"prefix: .* 401 Unauthorized"):
            await connect(url, api_key="sk-wrong", model="toy")


async def test_a_server_without_models_needs_one_named() -> None:
    class Bare(LlamaCpp):
        async def models(self, body):
            return {"data": [{"object": "model"}, 3]}

    async with serving(Bare()) as url:
        with pytest.raises(UpstreamError, match="lists no model; name one"):
            await connect(url)
        async with aclosing(await connect(url, model="other")) as backend:
            assert (backend.model, backend.engine.name) == ("other", "llama.cpp")


async def test_drafts_of_one_backend_do_not_mix() -> None:
    async with connected(VLLM()) as backend:
        drafts = [
            backend.open([{"role": "user", "content": f"Question {n}?"}], Sampling())
            for n in range(5)
        ]
        async with aclosing(drafts[0].write(max_tokens=4000)) as slow:
            await anext(slow)
            for draft in drafts[1:]:
                await write(draft)
            async for _ in slow:
                pass
        assert [draft.text for draft in drafts] == [model.chain(f"Question {n}?") for n in range(5)]


async def test_an_unknown_method_is_named() -> None:
    with pytest.raises(SteeringError, match="unknown method 'magic'; there are auto, completions-"):
        magic: Any = "magic"
        await connect("http://127.0.0.1:9", method=magic)


async def test_a_kept_connection_that_breaks_is_replaced_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, broken = aiohttp.ClientSession.request, [True, False, True, True]

    async def request(self, *arguments, **options):
        if broken and broken.pop(0):
            raise aiohttp.ClientOSError("Can not write request body")
        return await real(self, *arguments, **options)

    async with connected(LlamaCpp(), method="continue-final") as backend:
        monkeypatch.setattr(aiohttp.ClientSession, "request", request)
        draft = backend.open(MESSAGES, Sampling())
        assert await write(draft, max_tokens=5)
        with pytest.raises(UpstreamError, match="broke off"):
            await write(draft, max_tokens=5)
