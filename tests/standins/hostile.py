"""A server that misbehaves as it is told: raw bytes on a raw socket."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

Act = bytes | Literal["hang", "reset"]
"""Bytes to send; ``hang`` sends nothing more; ``reset`` breaks the connection off."""

STREAM: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def status(line: str, body: bytes, kind: str = "application/json", *more: str) -> bytes:
    head = [f"HTTP/1.1 {line}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    head.append("Connection: close")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def misbehaving(acts: Sequence[Act]) -> AsyncGenerator[str, None]:
    """Answer every request by the same acts, then end the connection; yields the address."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
            if lengths:
                await reader.readexactly(int(lengths[0].partition(b":")[2]))
            for act in acts:
                if act == "hang":
                    await asyncio.Event().wait()
                elif act == "reset":
                    writer.transport.abort()
                else:
                    writer.write(act)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
