"""An engine that answers at once, or after a fixed time, for benchmarks of the gateway.

    python benchmarks/gateway_mock.py [--latency 0.02] [--events 500] [--port 0]

It goes on with messages as SGLang does, always in the same words. What it sends is made beforehand,
so that it takes as little of the machine as it can. Prints its address.
"""

import argparse
import asyncio
import json
from typing import Any

import uvloop
from aiohttp import web

MATRIX = (
    '{"DQ_AQ":{"LLM":3,"user":3},"DQ_CQ":{"LLM":1,"user":1},"DQ_DA":{"LLM":2,"user":2},'
    '"VQ_AQ":{"LLM":1,"user":1},"VQ_CQ":{"LLM":4,"user":3.5},"VQ_DA":{"LLM":1,"user":1}}'
)
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
ANSWER = {
    **{"id": "x", "object": "chat.completion", "created": 1, "model": "mock"},
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}


def events(*texts: str) -> bytes:
    """A stream of chunks with these texts."""
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    values = [
        head | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        for text in texts
    ]
    values.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    values.append(head | {"choices": [], "usage": USAGE})
    return b"".join(b"data: %b\n\n" % json.dumps(v).encode() for v in values) + b"data: [DONE]\n\n"


def pieces(text: str, size: int = 16) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def app(latency: float, count: int) -> web.Application:
    """The mock; streams that are passed through, and responses, have `count` events."""
    opening = events(*pieces(f"<thinking>It is vague.</thinking><payoff>{MATRIX}</payoff>"))
    words = [f" {n}" for n in range(count)]
    # What the gateway held back of the opening tag comes first.
    long = events(">choose DQ_DA.</analyze><response>It is", *words, ".</response>")
    short = events(">choose DQ_DA.</analyze><response>It is", " 42.</response>")
    probed, passed = events("1}"), events(*words)
    whole = json.dumps(ANSWER).encode()

    async def chat(request: web.Request) -> web.StreamResponse:
        body: Any = await request.json()
        if latency:
            await asyncio.sleep(latency)
        if not body.get("stream"):
            return web.Response(body=whole, content_type="application/json")
        last = body["messages"][-1]
        if "response_format" in body:
            sent = passed
        elif last["role"] == "user":
            sent = opening
        elif last["content"].endswith('"user":'):
            sent = probed
        else:  # phase two, of a stream where the question asks for one
            sent = long if "long" in body["messages"][0]["content"] else short
        return web.Response(body=sent, content_type="text/event-stream")

    async def models(request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": [{"id": "mock", "owned_by": "sglang"}]})

    found = web.Application()
    found.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models)])
    return found


async def serve(given: argparse.Namespace) -> None:
    runner = web.AppRunner(app(given.latency, given.events), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", given.port).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args()))
