"""Steered answers in JSON that follows a schema."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel, Field

from gateway_parts import served
from gtalign.steering import FakeBackend
from standins import model
from standins.engines import LlamaCpp, completion_chunk

SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}
SAID = '{"city": "Zürich", "days": 3}'


def script(messages: Any, begun: str) -> str:
    """The scripted model, which answers in JSON."""
    if "choose " in begun:  # the opening of the analysis in `enforce`
        return f"</analyze>\n<response>{SAID}</response>"
    text = model.continuation(messages[-1]["content"], begun)
    for response in model.RESPONSES.values():
        text = text.replace(response, SAID)
    return text


def backend() -> FakeBackend:
    return FakeBackend(script, grammar="gbnf")


@pytest.mark.parametrize("mode", ["advise", "enforce"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", [FORM, {"type": "json_object"}], ids=["schema", "object"])
async def test_json_is_the_response_of_a_chain(
    tmp_path: Path, mode: str, stream: bool, form: Any
) -> None:
    engine = backend()
    async with served(tmp_path, engine, steering={"mode": mode, "verify": "mark"}) as gateway:
        answer = await gateway.ask(response_format=form, stream=stream)
        if stream:
            chunks = [chunk async for chunk in answer]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            about = chunks[-1].gtalign
        else:
            text, about = answer.choices[0].message.content, answer.gtalign
        assert json.loads(text) == {"city": "Zürich", "days": 3}
        assert (about["steered"], about["flipped"]) == (True, True)
        assert (about["acted"], about["obeyed"]) == (None, None)  # who can tell of JSON?
        last = engine.writes[-1].grammar
        assert last is not None and "\njson ::= " in last
        assert ('\\"days\\"' in last) == (form is FORM)
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("done", True)
        await gateway.ask()
        assert "json" not in (engine.writes[-1].grammar or "")


class Trip(BaseModel):
    """What a client asks for in its own words."""

    city: str = Field(pattern="^[A-ZÄÖÜ]", max_length=1000)
    days: int = Field(ge=1, le=14)


async def test_a_model_with_limits_is_steered(tmp_path: Path) -> None:
    engine = backend()
    async with served(tmp_path, engine) as gateway:
        answer = await gateway.client.chat.completions.parse(
            model="toy", messages=[{"role": "user", "content": "Where?"}], response_format=Trip
        )
        assert answer.choices[0].message.parsed == Trip(city="Zürich", days=3)
        assert answer.gtalign["steered"] is True
        assert '[1-9] | "1" [0-4]' in (engine.writes[-1].grammar or "")


async def test_so_it_is_in_the_other_interfaces(tmp_path: Path) -> None:
    async with served(tmp_path, backend()) as gateway:
        form = {"type": "json_schema", "name": "trip", "schema": SCHEMA}
        answer = await gateway.client.responses.create(
            model="toy", input="Where to?", text={"format": form}
        )
        assert (answer.output_text, answer.gtalign["steered"]) == (SAID, True)
        body = {
            **{"model": "toy", "max_tokens": 480},
            "messages": [{"role": "user", "content": "Where to?"}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }
        status, _, message = await gateway.post(body, "/v1/messages")
        assert (status, message["content"][0]["text"]) == (200, SAID)
        assert message["gtalign"]["steered"] is True


@pytest.mark.parametrize(
    "schema",
    [{"type": "string", "pattern": "(?<=a)b"}, {"type": "integer", "minimum": "0"}, "x", None],
)
async def test_what_no_grammar_describes_is_passed(tmp_path: Path, schema: Any) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    async with served(tmp_path, LlamaCpp()) as gateway:
        body = {"model": "toy", "messages": [{"role": "user", "content": "x"}], "max_tokens": 99}
        body |= {"response_format": form, "stream": True}
        async with gateway.http.post(f"{gateway.address}/v1/chat/completions", json=body) as found:
            assert found.headers["x-gtalign-passed"] == "response_format"
            assert (await found.read()).endswith(b"data: [DONE]\n\n")


async def test_without_grammars_or_steering_it_is_passed(tmp_path: Path) -> None:
    async with served(tmp_path, LlamaCpp(), steering={"mode": "observe"}) as gateway:
        stream = await gateway.ask(response_format=FORM, stream=True, max_tokens=99)
        assert stream.response.headers["x-gtalign-passed"] == "response_format"
        assert [chunk async for chunk in stream]
        assert [record["status"] for record in await gateway.records()] == ["passed"]
    async with served(tmp_path / "here", FakeBackend(script)) as gateway:
        with pytest.raises(openai.BadRequestError, match="inside the gateway"):
            await gateway.ask(response_format=FORM)
        with pytest.raises(openai.BadRequestError, match="inside the gateway"):
            await gateway.ask(response_format=FORM, n=2)


class Chainless(LlamaCpp):
    """Writes no chain once it has been connected to, and JSON in answer to a chat."""

    connected = False

    async def completions(self, body: dict[str, Any]) -> Any:
        if not self.connected:
            return await super().completions(body)
        return [completion_chunk("No.", "stop"), "[DONE]"]

    async def chat(self, body: dict[str, Any]) -> Any:
        self.seen = body
        message = {"role": "assistant", "content": SAID}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize("instruct", ["none", "short"])
async def test_where_no_chain_comes_the_engine_itself_answers(
    tmp_path: Path, instruct: str
) -> None:
    engine = Chainless()
    async with served(tmp_path, engine, steering={"instruct": instruct}) as gateway:
        engine.connected = True
        raw = await gateway.client.chat.completions.with_raw_response.create(
            model="toy",
            messages=[{"role": "user", "content": "Where to?"}],
            response_format=FORM,
            max_tokens=600,
        )
        assert raw.parse().choices[0].message.content == SAID
        assert raw.headers["x-gtalign-passed"] == "no chain"
        assert engine.seen["response_format"] == FORM
        [record] = await gateway.records()
        assert (record["status"], record["steered"]) == ("passed", False)
    settings = {"instruct": instruct, "on_malformed": "fail"}
    engine.connected = False
    async with served(tmp_path / "fail", engine, steering=settings) as gateway:
        engine.connected = True
        with pytest.raises(openai.InternalServerError):
            await gateway.ask(response_format=FORM, max_tokens=600)


async def test_json_that_is_cut_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, backend(), steering={"instruct": "short"}) as gateway:
        whole = await gateway.ask(response_format=FORM, max_tokens=600)
        assert whole.choices[0].message.content == SAID
        assert whole.choices[0].finish_reason == "stop"
