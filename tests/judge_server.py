"""A server of chat completions on loopback; by default it is the gullible judge of the examples."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_FILE = Path(__file__).parents[1] / "examples" / "gullible_judge.py"
_SPEC = importlib.util.spec_from_file_location("gullible_judge", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
gullible_judge = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(gullible_judge)
fold, outside, obeyed = gullible_judge.fold, gullible_judge.outside, gullible_judge.obeyed
gullible, completion = gullible_judge.gullible, gullible_judge.completion

Answer = Callable[[dict[str, Any]], Response | str]
"""Body of a request in; a response, or the text of an assistant's message, out."""


class JudgeServer:
    """A running server.

    Attributes:
        url: Up to ``/v1``.
        answer: What it says; may be changed while it runs.
        requests: Bodies of all requests, in order.
        replies: What was said to them, in order.
        busiest: Most requests that were under way at once.
        held: If set, replies wait for it.
        seconds: What each reply takes.
    """

    def __init__(self, answer: Answer) -> None:
        self.url = ""
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.replies: list[Response | str] = []
        self.keys: list[str] = []
        self.busiest = 0
        self.held: asyncio.Event | None = None
        self.seconds = 0.0
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
            await asyncio.sleep(self.seconds)
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
