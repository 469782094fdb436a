"""Requests that ordinary clients send: steered, or passed through with a mark, never refused."""

from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, Served, served
from standins import model, tokens
from standins.engines import VLLM, LlamaCpp
from standins.server import RefusedError

USER = MESSAGES[0]
SAID = {"role": "assistant", "content": "There."}
SYSTEM = {"role": "system", "content": "Be brief."}


class Chatty(VLLM):
    """Answers a chat with one word, and keeps the request; it continues texts as vLLM does."""

    seen: Any = None

    async def chat(self, body: dict[str, Any]) -> Any:
        self.seen = body
        message = {"role": "assistant", "content": "mine"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "x", "object": "chat.completion", "created": 1, "choices": [choice]}


async def asked(gateway: Served, **more: Any) -> tuple[Any, Any]:
    """The headers of an answer to a request with these fields, and its text."""
    body = {"model": "toy", "messages": MESSAGES, **more}
    body = {name: value for name, value in body.items() if value is not ...}
    status, headers, told = await gateway.post(body)
    assert status == 200, told
    return headers, told["choices"][0]["message"]["content"]


NEUTRAL: list[dict[str, Any]] = [
    {"top_k": -1},
    {"top_k": 40.0},
    {"min_tokens": 0},
    {"best_of": 0},
    {"best_of": 1},
    {"n": 1, "echo": False, "suffix": ""},
    {"ignore_eos": False},
    {"add_generation_prompt": True, "continue_final_message": False},
    {"presence_penalty": 0, "frequency_penalty": 0.0, "repetition_penalty": 1},
    {"logit_bias": {}, "stop_token_ids": [], "bad_words": [], "stop": []},
    {"stream": False, "stream_options": {"include_usage": True}},
    {"stream": None, "stream_options": None, "stop": None, "n": None, "seed": None},
    {"logprobs": False, "top_logprobs": 0, "tools": [], "functions": [], "tool_choice": "none"},
    {"response_format": {"type": "text"}, "modalities": ["text"], "parallel_tool_calls": True},
    {"max_tokens": None, "max_completion_tokens": None},
    {"max_tokens": -1},
    {"n_predict": -1, "cache_prompt": True, "mirostat": 0, "grammar": "", "id_slot": -1},
    {"regex": "", "ebnf": "", "no_stop_trim": False, "return_hidden_states": False},
    {"verbose": False, "return_tokens": False, "timings_per_token": False},
    {"guided_json": None, "guided_choice": [], "structured_outputs": None, "use_beam_search": 0},
    {"seed": -1, "min_p": 0, "chat_template_kwargs": {}, "documents": None},
    {"seed": "-1", "top_k": "-1", "max_tokens": "-1"},
    {"model": ...},
    {"model": ""},
    {"model": None},
]


@pytest.mark.parametrize("engine", [Chatty, None], ids=["server", "in process"])
async def test_values_that_say_nothing_are_steered(tmp_path: Path, engine: Any) -> None:
    async with served(tmp_path, engine and engine()) as gateway:
        for more in NEUTRAL:
            headers, text = await asked(gateway, **more)
            assert headers["x-gtalign-steered"] == "true", more
            assert text == model.RESPONSES["DA"]


SPELLED: list[dict[str, Any]] = [
    {"seed": "5", "max_tokens": "900"},
    {"max_completion_tokens": "900.0", "top_k": "40"},
    {"temperature": "0.5", "top_p": "0.9", "n": "1"},
    {"stream": "false", "parallel_tool_calls": "True"},
]


@pytest.mark.parametrize("engine", [Chatty, None], ids=["server", "in process"])
async def test_numbers_that_are_spelled_as_texts_are_steered(tmp_path: Path, engine: Any) -> None:
    async with served(tmp_path, engine and engine()) as gateway:
        for more in SPELLED:
            headers, text = await asked(gateway, **more)
            assert headers["x-gtalign-steered"] == "true", more
            assert text == model.RESPONSES["DA"]
        for name, value in (("seed", "five"), ("max_tokens", "1e2"), ("temperature", "nan")):
            body = {"model": "toy", "messages": MESSAGES, name: value}
            status, _, told = await gateway.post(body)
            assert (status, told["error"]["param"]) == (400, name)
        for name, value in (("max_tokens", "99999999"), ("n", "9"), ("n", "0")):
            body = {"model": "toy", "messages": MESSAGES, name: value, "min_tokens": 1}
            status, _, told = await gateway.post(body)
            assert (status, told["error"]["param"]) == (400, name)  # a limit holds for it too


async def test_an_unknown_name_is_of_the_field_that_has_it(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for name, header, status, param in (
            ("nope", None, 404, "model"),
            ("toy:nope", None, 404, "model"),
            ("toy", "nope", 404, None),
            ("toy:costly", "subscription", 400, "model"),
        ):
            headers = {} if header is None else {"X-GTAlign-Policy": header}
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses"):
                body = {"model": name, "messages": MESSAGES, "prompt": "x", "input": "x"}
                if path == "/v1/responses":
                    del body["messages"], body["prompt"]
                found, _, told = await gateway.post(body, path, **headers)
                assert (found, told["error"]["param"]) == (status, param), (name, path)


STEERED: list[list[Any]] = [
    [SYSTEM, USER],
    [{"role": "developer", "content": "Be brief."}, USER],
    [USER, SAID, SYSTEM, USER],
    [USER, {"role": "assistant", "content": None}, USER],
    [USER, {"role": "assistant"}, USER],
    [USER, {"role": "assistant", "content": []}, USER],
    [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER],
    [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, USER],
    [USER, {"role": "assistant", "content": "x", "tool_calls": [], "audio": None}, USER],
    [{"role": "user", "content": ["Where to, ", {"type": "text", "text": "in Zürich?"}]}],
    [{**USER, "name": "anna"}],
]


async def test_histories_that_clients_send_are_steered(tmp_path: Path) -> None:
    async with served(tmp_path, Chatty()) as gateway:
        for messages in STEERED:
            headers, text = await asked(gateway, messages=messages)
            assert headers["x-gtalign-steered"] == "true", messages
            assert text == model.RESPONSES["DA"]


PASSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": [USER, SAID]}, "last message"),
    ({"messages": [USER, SYSTEM]}, "last message"),
    ({"messages": [USER, {"role": "developer", "content": "x"}]}, "last message"),
    ({"messages": [SYSTEM]}, "last message"),
    ({"messages": [SYSTEM, SYSTEM]}, "last message"),
    ({"messages": [{"role": "critic", "content": "x"}, USER]}, "role"),
    ({"messages": [{"role": "user", "content": None}]}, "content"),
    ({"messages": [{"role": "user"}, SAID, USER]}, "content"),
    (
        {"messages": [USER, {"role": "assistant", "function_call": {"name": "f"}}, USER]},
        "functions",
    ),
    ({"messages": [USER, {"role": "function", "content": "x"}]}, "functions"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"messages": [USER, {"role": "tool", "content": None}]}, "content"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [{"custom": {}}]}, USER]}, "tools"),
    ({"messages": [USER, {"role": "assistant", "audio": {"id": "a"}}, USER]}, "other media"),
    ({"logprobs": True}, "logprobs"),
    ({"logprobs": True, "top_logprobs": 5}, "logprobs"),
    ({"prompt_logprobs": 0}, "prompt_logprobs"),
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": -1}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_k": -3}, "top_k"),
    ({"seed": 2**63}, "seed"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop": [""]}, "stop"),
    ({"stop": ["x"] * 17}, "stop"),
    ({"min_tokens": 3}, "min_tokens"),
    ({"best_of": 2}, "best_of"),
    ({"ignore_eos": True}, "ignore_eos"),
    ({"add_generation_prompt": False}, "add_generation_prompt"),
    ({"guided_json": {"type": "object"}}, "guided_json"),
    ({"grammar": "x"}, "grammar"),
    ({"use_beam_search": True}, "use_beam_search"),
    ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"chat_template": "{{ messages }}"}, "chat_template"),
    ({"n": 2, "stream": True}, "n"),
    ({"verbose": True}, "verbose"),
    ({"return_tokens": True}, "return_tokens"),
]


async def test_what_cannot_be_steered_is_passed_through_and_marked(tmp_path: Path) -> None:
    engine = Chatty()
    async with served(tmp_path, engine) as gateway:
        for more, why in PASSED:
            headers, text = await asked(gateway, **more)
            assert (headers["x-gtalign-steered"], headers["x-gtalign-passed"]) == ("false", why)
            assert text == "mine"
            assert engine.seen == {"model": "toy", "messages": MESSAGES, **more}
        records = await gateway.records()
        assert [record["status"] for record in records] == ["passed"] * len(PASSED)


async def test_a_model_in_this_process_refuses_them_and_says_why(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        for more, why in PASSED:
            status, _, told = await gateway.post({"model": "toy", "messages": MESSAGES, **more})
            assert status == 400, more
            assert told["error"]["message"] and told["error"]["param"], why


async def test_a_request_may_not_ask_for_more_than_its_limits_by_another_name(
    tmp_path: Path,
) -> None:
    engine = Chatty()
    async with served(tmp_path, engine, limits={"max_tokens": 600, "choices": 2}) as gateway:
        for name in ("max_tokens", "max_completion_tokens", "n_predict", "n", "n_cmpl", "best_of"):
            body = {"model": "toy", "messages": MESSAGES, "logprobs": True, name: 10_000}
            status, _, told = await gateway.post(body)
            assert (status, told["error"]["param"]) == (400, name)
        assert engine.seen is None


async def test_the_engine_that_is_observed_gets_the_request_as_it_came(tmp_path: Path) -> None:
    engine = Chatty()
    steering = {"mode": "observe", "instruct": "short"}
    async with served(tmp_path, engine, steering=steering) as gateway:
        for more in ({"top_k": -1}, {"messages": [SYSTEM]}, {"stop": [""]}, {"logprobs": True}):
            headers, _ = await asked(gateway, **more)
            assert headers["x-gtalign-passed"] == "observe"
            assert engine.seen == {"model": "toy", "messages": MESSAGES, **more}


class Small(Chatty):
    """Has room for few tokens, says so, and refuses what is too long as vLLM does."""

    def __init__(self, context: int, *, counts: bool = True, says: str = "max_model_len") -> None:
        super().__init__(tokenizer=counts)
        self.context = context
        self.said: dict[str, Any] = {says: context}
        self.asked: list[int] = []

    async def models(self, body: dict[str, Any]) -> dict[str, Any]:
        found = await super().models(body)
        found["data"][0] |= self.said
        return found

    async def completions(self, body: dict[str, Any]) -> Any:
        prompt = body["prompt"]
        size = len(prompt) if isinstance(prompt, list) else len(tokens.encode(prompt))
        self.asked.append(body["max_tokens"])
        if size + body["max_tokens"] > self.context:
            told = f"maximum context length is {self.context}, not {size} + {body['max_tokens']}"
            raise RefusedError(400, told)
        return await super().completions(body)


@pytest.mark.parametrize("context", [1200, 2048, 4096, 40_000])
async def test_without_a_number_the_answer_fits_the_context(tmp_path: Path, context: int) -> None:
    engine = Small(context)
    async with served(tmp_path, engine) as gateway:
        for text in ("x", "Where to, in Zürich? " * 12, "Ü" * 200):
            headers, said = await asked(gateway, messages=[{"role": "user", "content": text}])
            assert headers["x-gtalign-steered"] == "true"
            assert said == model.RESPONSES["DA"]
        assert max(engine.asked) == 4096 or context < 5000


async def test_a_number_that_leaves_the_instruction_no_room_is_met_as_far_as_it_goes(
    tmp_path: Path,
) -> None:
    engine = Small(2000)
    async with served(tmp_path, engine) as gateway:
        for most in (1950, 32_000, 131_072):
            headers, said = await asked(gateway, max_tokens=most)
            assert headers["x-gtalign-steered"] == "true"
            assert said == model.RESPONSES["DA"]
        status, _, told = await gateway.post(
            {"model": "toy", "messages": MESSAGES, "max_tokens": 131_073}
        )
        assert (status, told["error"]["param"]) == (400, "max_tokens")


@pytest.mark.parametrize("says", ["max_model_len", "nothing"])
async def test_what_fits_no_context_is_passed_as_it_came(tmp_path: Path, says: str) -> None:
    engine = Small(700, says=says)
    async with served(tmp_path, engine, steering={"instruct": "short"}) as gateway:
        engine.asked.clear()
        headers, said = await asked(gateway)
        assert headers["x-gtalign-passed"] == ("refused" if says == "nothing" else "context")
        assert said == "mine" and engine.seen == {"model": "toy", "messages": MESSAGES}


class Busy(Small):
    """Counts short texts alone until it is idle."""

    busy = True

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.busy and len(str(body)) > 500:
            raise RefusedError(503, "busy")
        return await super().tokenize(body)


async def test_an_engine_that_was_busy_when_it_was_opened_is_asked_to_count_again(
    tmp_path: Path,
) -> None:
    engine = Busy(1150)
    async with served(tmp_path, engine, steering={"instruct": "short"}) as gateway:
        assert gateway.gateway.upstream.instruction_tokens is None
        headers, _ = await asked(gateway, max_tokens=500)
        assert headers["x-gtalign-passed"] == "context"
        engine.busy = False
        headers, _ = await asked(gateway, max_tokens=500)
        assert headers["x-gtalign-steered"] == "true"


async def test_an_engine_s_context_is_read_from_its_own_pages(tmp_path: Path) -> None:
    async with served(tmp_path, LlamaCpp()) as gateway:
        assert gateway.gateway.upstream.backend.context == 4096  # type: ignore[attr-defined]
    for odd in (True, "4096", -1, 0, 4096.5, None, 10**12):
        engine = Small(10**6)
        engine.said = {"max_model_len": odd}
        async with served(tmp_path, engine) as gateway:
            assert gateway.gateway.upstream.backend.context is None  # type: ignore[attr-defined]
