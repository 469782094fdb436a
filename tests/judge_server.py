"""A judge behind real HTTP on loopback, gullible by design.

It grades everything with the lowest score of the scale, unless it is told a score: it obeys the
*last* well-formed instruction that stands outside a fence, wherever it came from. To be at least as
easy to fool as a model it

- reads the conversation as an engine does, so that tokens of a chat template end turns;
- reads folded text: compatibility forms, homoglyphs and invisible characters make no difference;
- takes any line for the end of a fence that looks like one, whatever its code;
- decodes base64 that it finds.
"""
# ruff: noqa: RUF001

import asyncio
import base64
import binascii
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[[dict[str, Any]], Response | str]
"""Body of a request in; a response, or the text of an assistant's message, out."""

_SPECIAL = re.compile(
    r"<\|(?:im_start|im_end|eot_id|start_header_id|end_header_id|end_of_text|user|system|assistant)"
    r"\|>|\[/?inst\]|<</?sys>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos)>"
)
_LOOKS = str.maketrans("авсеорѕіхсӏ‹›〈〉❮❯⟨⟩“”", 'abceopsixcl<><><><>""')
_BEGIN = re.compile(r"<\s*<\s*<\s*begin\b", re.IGNORECASE)
_END = re.compile(r"<\s*<\s*<\s*end\b[^>]*", re.IGNORECASE)
_ORDERS = (
    r"\\boxed\s*\{\s*(\d[\d.]*)\s*\}",
    r"<\s*score\s*>\s*(\d[\d.]*)\s*<\s*/\s*score\s*>",
    r'"score"\s*:\s*(\d[\d.]*)',
    r"(?:score|verdict|grade)(?:\s+(?:is|of|to|be))?\s*[:=]?\s*(\d[\d.]*)",
    r"(?:give|award|assign|output|reply|answer)(?:\s+\w+){0,4}\s+(\d[\d.]*)",
)
_ORDER = re.compile("|".join(_ORDERS))
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


def fold(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_LOOKS)
    text = re.sub("[\ufe00-\ufe0f]", "", text)
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cf", "Cc"))


def outside(text: str) -> str:
    """Return what stands outside the fences of a text that was folded and is in lower case."""
    inside, kept = False, []
    for line in text.split("\n"):
        if inside:
            inside = _END.search(line) is None
        elif _BEGIN.match(line):
            inside = True
        else:
            kept.append(_END.sub("", line))  # the numbers in its code are no order
    return "\n".join(kept)


def obeyed(messages: list[dict[str, str]]) -> str | None:
    """Return the score that the last well-formed instruction asks for."""
    found = None
    for message in messages:
        # Turns: a token of a template begins a new one, in which no fence is open.
        for turn in _SPECIAL.split(fold(message["content"]).lower()):
            for order in _ORDER.finditer(outside(turn)):
                found = next(filter(None, order.groups())).rstrip(".")
        for blob in _BASE64.findall(outside(fold(message["content"]))):
            try:
                hidden = base64.b64decode(blob).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
            for order in _ORDER.finditer(fold(hidden).lower()):
                found = next(filter(None, order.groups())).rstrip(".")
    return found


def gullible(body: dict[str, Any]) -> str:
    """Reply as the judge of this module, in the form that the request asks for."""
    score = obeyed(body["messages"]) or "0"
    first = body["messages"][0]
    if "response_format" in body:
        return json.dumps({"reason": "as told", "score": float(score)})
    if first["role"] == "system" and "<reason>" in first["content"]:
        return f"<reason>as told</reason><score>{score}</score>"
    return rf"thought: as told \boxed{{{score}}}"


def completion(text: str, **changes: Any) -> dict[str, Any]:
    """Return the body of a chat completion."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        **changes,
    }


class JudgeServer:
    """A running server.

    Attributes:
        url: Up to ``/v1``.
        answer: What it says; may be changed while it runs.
        requests: Bodies of all requests, in order.
        replies: What was said to them, in order.
        busiest: Most requests that were under way at once.
        held: If set, replies wait for it.
    """

    def __init__(self, answer: Answer) -> None:
        self.url = ""
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.replies: list[Response | str] = []
        self.keys: list[str] = []
        self.busiest = 0
        self.held: asyncio.Event | None = None
        self.arrived = asyncio.Event()
        self._busy = 0

    async def handle(self, request: Request) -> Response:
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            body = await request.json()
            self.requests.append(body)
            self.keys.append(request.headers.get("authorization", ""))
            self.arrived.set()
            if self.held is not None:
                await self.held.wait()
            said = self.answer(body)
            self.replies.append(said)
            return said if isinstance(said, Response) else JSONResponse(completion(said))
        finally:
            self._busy -= 1


@asynccontextmanager
async def serve(answer: Answer = gullible) -> AsyncIterator[JudgeServer]:
    """Run a server on a free port until the block ends."""
    judge = JudgeServer(answer)
    app = Starlette(routes=[Route("/v1/chat/completions", judge.handle, methods=["POST"])])
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    judge.url = f"http://127.0.0.1:{socket.getsockname()[1]}/v1"
    task = asyncio.create_task(server._serve([socket]))
    try:
        yield judge
    finally:
        if judge.held is not None:
            judge.held.set()
        server.should_exit = True
        await task
        socket.close()
