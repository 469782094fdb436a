"""What an engine adds to its answer beyond the standard reaches clients of every interface."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import MESSAGES, served
from standins import model
from standins.engines import LlamaCpp, chat_chunk

TOP: Any = {
    "timings": {"predicted_n": 2},
    "__verbose": {"content": "Hi you", "prompt": "<s>"},
    "kv_transfer_params": {"id": 1},
    "prompt_token_ids": [1, 2],
    "service_tier": "default",
    "nothing": None,
}
OWN = {name: value for name, value in TOP.items() if value is not None}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
ASKED = {"timings_per_token": True, "return_progress": True, "verbose": True}
FORMS: Any = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/responses": {"input": "Where?"},
    "/v1/messages": {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 99},
}


class Telling(LlamaCpp):
    """Tells more than the text: of the whole, of each chunk, of the choice and of the message."""

    text = "Hi you"

    async def chat(self, body: dict[str, Any]) -> Any:
        if not body.get("stream"):
            message = {"role": "assistant", "content": self.text, "audio": {"id": "a"}}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            choice |= {"token_ids": [3, 4], "logprobs": None}
            return {"id": "x", "choices": [choice], "usage": USAGE, **TOP}
        begun, first, second, last = (
            chat_chunk(delta, finish)
            for delta, finish in (
                ({"role": "assistant", "content": None}, None),
                ({"content": self.text[:2]}, None),
                ({"content": self.text[2:]}, None),
                ({}, "stop"),
            )
        )
        begun |= {"prompt_progress": {"processed": 7}, "prompt_token_ids": [1, 2]}
        first["timings"], second["timings"] = {"predicted_n": 1}, {"predicted_n": 2}
        first["choices"][0]["token_ids"], second["choices"][0]["token_ids"] = [3], [4]
        end = {"choices": [], "usage": USAGE, **TOP}
        return [begun, first, second, last, end, "[DONE]"]


async def events(gateway: Any, path: str) -> list[Any]:
    body = {"model": "toy", "stream": True, **ASKED, **FORMS[path]}
    async with gateway.http.post(gateway.address + path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        lines = (await answer.text()).splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


@pytest.mark.parametrize("path", FORMS)
async def test_a_whole_answer_holds_it(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, Telling()) as gateway:
        body = {"model": "toy", **ASKED, **FORMS[path]}
        status, _, answer = await gateway.post(body, path)
        assert status == 200 and answer.items() >= OWN.items()
        place = answer["choices"][0] if "choices" in answer else answer
        assert place["token_ids"] == [3, 4]
        assert (place["message"] if "choices" in answer else place)["audio"] == {"id": "a"}
        assert "nothing" not in answer or path == "/v1/chat/completions"


async def test_events_hold_it_as_llama_cpp_s_own_do(tmp_path: Path) -> None:
    async with served(tmp_path, Telling()) as gateway:
        told = await events(gateway, "/v1/responses")
        assert [one["sequence_number"] for one in told] == list(range(len(told)))
        progress = {"prompt_progress": {"processed": 7}, "prompt_token_ids": [1, 2]}
        assert told[2]["type"] == "response.in_progress" and told[2].items() >= progress.items()
        deltas = [one for one in told if one["type"] == "response.output_text.delta"]
        assert [one["delta"] for one in deltas] == ["Hi", " you"]
        assert [one["timings"]["predicted_n"] for one in deltas] == [1, 2]
        assert [one["token_ids"] for one in deltas] == [[3], [4]]
        last = told[-1]
        assert last["type"] == "response.completed" and last.items() >= OWN.items()
        assert last["response"].items() >= (OWN | progress | {"token_ids": [3, 4]}).items()


async def test_so_do_those_of_a_message(tmp_path: Path) -> None:
    async with served(tmp_path, Telling()) as gateway:
        told = await events(gateway, "/v1/messages")
        assert [one["type"] for one in told[:3]] == ["message_start", "ping", "content_block_start"]
        assert told[1]["prompt_progress"] == {"processed": 7}
        deltas = [one for one in told if one["type"] == "content_block_delta"]
        assert [one["timings"]["predicted_n"] for one in deltas] == [1, 2]
        assert told[-2]["type"] == "message_delta" and told[-2].items() >= OWN.items()


@pytest.mark.parametrize("path", FORMS)
async def test_but_not_what_spells_out_a_chain(tmp_path: Path, path: str) -> None:
    engine = Telling()
    engine.text = model.continuation("Where to?", "")
    async with served(tmp_path, engine, steering={"instruct": "none"}) as gateway:
        _, _, whole = await gateway.post({"model": "toy", **ASKED, **FORMS[path]}, path)
        assert whole["timings"] == {"predicted_n": 2}
        for told in (whole, await events(gateway, path)):
            assert "__verbose" not in json.dumps(told)
            assert "Hi you" not in json.dumps(told)
