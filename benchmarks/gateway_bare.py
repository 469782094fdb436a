"""A proxy that does nothing but pass requests on, for benchmarks of the gateway.

    python benchmarks/gateway_bare.py UPSTREAM [--port 0] [--server granian]

Raw ASGI on uvicorn with aiohttp behind it, as the gateway is built, and nothing else: no key, no
limit, no policy, no record. Whatever it adds, anything made of these parts adds. On granian, which
the gateway is not built on, it shows what another server would change. Prints its address.
"""

import argparse
import socket
from typing import Any

import aiohttp
import uvicorn
import uvloop


class Bare:
    """Passes every request on, and its answer back as it comes."""

    def __init__(self, upstream: str, http: aiohttp.ClientSession) -> None:
        self._upstream = upstream.removesuffix("/v1")
        self._http = http

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {"Content-Type": "application/json"}
        async with self._http.post(
            self._upstream + scope["path"], data=body, headers=headers
        ) as got:
            kind = got.headers["Content-Type"].encode()
            start = {"status": got.status, "headers": [(b"content-type", kind)]}
            await send({"type": "http.response.start", **start})
            async for chunk in got.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def serve(given: argparse.Namespace) -> None:
    listening = socket.create_server(("127.0.0.1", given.port))
    port = listening.getsockname()[1]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        app: Any = Bare(given.upstream, http)
        if given.server == "granian":
            from granian.constants import Interfaces
            from granian.server.embed import Server

            listening.close()  # it opens its own
            print(f"http://127.0.0.1:{port}/v1", flush=True)
            server = Server(app, port=port, interface=Interfaces.ASGINL, log_enabled=False)
            await server.serve()
            return
        print(f"http://127.0.0.1:{port}/v1", flush=True)
        config = uvicorn.Config(app, lifespan="off", loop="none", log_level="warning")
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("upstream")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--server", choices=["uvicorn", "granian"], default="uvicorn")
    uvloop.run(serve(parser.parse_args()))
