"""What the stand-ins share: a server on loopback, streams, and the loop of a generation."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from standins import model, tokens

ASSISTANT = "<|im_start|>assistant\n"


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Step:
    """What one token of a generation brings."""

    token: int
    text: str
    finish: str | None = None


def rendered(messages: Sequence[Mapping[str, Any]]) -> str:
    """The chat template, with the beginning of an answer."""
    turns = (f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return "".join(turns) + ASSISTANT


def asked(prompt: str) -> tuple[str, str]:
    """Take a rendered prompt apart: the last question, and the answer as far as it has begun."""
    conversation, _, begun = prompt.rpartition(ASSISTANT)
    question = conversation.rpartition("<|im_start|>user\n")[2].removesuffix("<|im_end|>\n")
    return question, begun


def generation(prompt: str, max_tokens: int | None) -> Iterator[Step]:
    """The tokens that follow a prompt; None sets them no limit."""
    ids = [*tokens.encode(model.continuation(*asked(prompt)), salt=1), tokens.END]
    shown = [*tokens.texts(ids[:-1]), ""]
    for count, (token, text) in enumerate(zip(ids, shown, strict=True), 1):
        finish = "stop" if token == tokens.END else "length" if count == max_tokens else None
        yield Step(token, text, finish)
        if finish:
            return


class StandIn:
    """A server with a scripted model.

    Attributes:
        requests: (path, body) of every request, in order.
        hold_after: After this many events it falls silent, until the client goes.
        gone: Set when a client went away from a silent stream.
    """

    owner = "stand-in"
    model = "toy"
    key: str | None = None

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.hold_after: int | None = None
        self.gone = asyncio.Event()

    def routes(self) -> dict[str, Any]:
        """Handlers by ``VERB path``; each takes the body and returns JSON or events."""
        return {"GET /v1/models": self.models}

    async def models(self, body: dict[str, Any]) -> dict[str, Any]:
        card = {"id": self.model, "object": "model", "owned_by": self.owner}
        return {"object": "list", "data": [card]}

    def failure(self, error: RefusedError) -> dict[str, Any]:
        """The body of an error answer."""
        return {"error": {"message": str(error), "type": "invalid", "code": error.status}}

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked_path, body in self.requests if asked_path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"{}")
        self.requests.append((request.path, body))
        try:
            if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
                raise RefusedError(401, "no such key")
            handler = self.routes().get(f"{request.method} {request.path}")
            if handler is None:
                raise RefusedError(404, "Not Found")
            answer = await handler(body)
        except RefusedError as error:
            return web.json_response(self.failure(error), status=error.status)
        if isinstance(answer, dict):
            return web.json_response(answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for count, event in enumerate(answer):
            if count == self.hold_after:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.gone.set()
            await response.write(event if isinstance(event, bytes) else sse(event))
        return response


def sse(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


@asynccontextmanager
async def serving_app(app: web.Application, port: int = 0) -> AsyncGenerator[str, None]:
    """Serve ``app`` on loopback, on a free port unless told; yields the address."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await settle(runner)
        await runner.cleanup()


async def settle(runner: web.AppRunner) -> None:
    """Accept nobody any more, and let those who were accepted arrive.

    asyncio loses a connection whose server closes between its acceptance and its first step.
    """
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        if isinstance(site._server, asyncio.Server):
            for socket in site._server.sockets:
                loop.remove_reader(socket.fileno())
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(standin: StandIn) -> AsyncGenerator[str, None]:
    """Serve on a free port of loopback; yields the address."""
    app = web.Application(client_max_size=1 << 28)
    app.router.add_route("*", "/{path:.*}", standin.handle)
    async with serving_app(app) as address:
        yield address


@contextmanager
def serving_threads() -> Iterator[Callable[[StandIn], str]]:
    """Serve stand-ins from a thread of its own, for commands that have a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opened: list[Any] = []

    def start(standin: StandIn) -> str:
        context = serving(standin)
        opened.append(context)
        return asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()

    yield start
    for context in opened:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
