"""Servers that close a connection between two requests, or instead of an answer."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gtalign.errors import UpstreamError
from gtalign.steering.answer import Ask
from gtalign.steering.answers import answers
from gtalign.steering.fake import FakeBackend
from gtalign.steering.http.exchange import Timeouts
from gtalign.steering.http.transport import Transport
from gtalign.steering.policy import Policy
from gtalign.steering.steering import Steering

EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"10\r\ndata: [DONE]\r\n\r\n\r\n0\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Closing:
    """A server in a thread that closes every connection after one answer, and does not say so.

    Args:
        silent: How many of the first requests get no answer.
    """

    def __init__(self, silent: int = 0) -> None:
        self.silent = silent
        self.seen: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (more := connection.recv(65_536)):
                    head += more
                if not head:
                    continue
                path = head.split()[1].decode()
                self.seen.append(path)
                if len(self.seen) > self.silent:
                    connection.sendall(ANSWER if path == "/props" else EVENTS)
                    time.sleep(0.02)  # the client has read the answer, and keeps the connection

    def close(self) -> None:
        """End the server."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def served(request: Any) -> Iterator[Closing]:
    server = Closing(getattr(request, "param", 0))
    yield server
    server.close()


@pytest.mark.parametrize("again", ["stream", "question"])
async def test_a_connection_that_ended_meanwhile_is_not_used_again(
    served: Closing, again: str
) -> None:
    transport = Transport(served.url, None, Timeouts())
    for _ in range(3):
        assert [event async for event in transport.events("/v1/x", {}, upstream="it")] == []
        time.sleep(0.05)  # this process is busy, and the server closes meanwhile
        if again == "question":
            assert await transport.ask("/props", upstream="it") == {}
            time.sleep(0.05)
    assert served.seen == (["/v1/x", "/props"] * 3 if again == "question" else ["/v1/x"] * 3)
    await transport.aclose()


@pytest.mark.parametrize("served", [1], indirect=True)
async def test_a_request_that_a_closed_connection_met_is_sent_once_more(served: Closing) -> None:
    transport = Transport(served.url, None, Timeouts())
    assert await transport.ask("/props", {"content": "a"}, upstream="it") == {}
    assert served.seen == ["/props"] * 2
    assert [event async for event in transport.events("/v1/x", {}, upstream="it")] == []
    await transport.aclose()


@pytest.mark.parametrize("served", [2], indirect=True)
async def test_no_request_is_sent_three_times(served: Closing) -> None:
    transport = Transport(served.url, None, Timeouts())
    with pytest.raises(UpstreamError, match="Server disconnected"):
        [event async for event in transport.events("/v1/x", {}, upstream="it")]
    assert served.seen == ["/v1/x"] * 2
    await transport.aclose()


@pytest.mark.parametrize("served", [1], indirect=True)
async def test_a_request_that_a_server_worked_on_is_not_sent_again(
    served: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.steering.http.transport._SOON", 0.0)
    transport = Transport(served.url, None, Timeouts())
    with pytest.raises(UpstreamError, match="Server disconnected"):
        [event async for event in transport.events("/v1/x", {}, upstream="it")]
    assert served.seen == ["/v1/x"]
    await transport.aclose()


@pytest.mark.parametrize("count", [1, 3])
async def test_the_failure_of_an_answer_is_raised_as_it_is(count: int) -> None:
    def broken(messages: Any, text: str) -> str:
        raise UpstreamError("it", "broke off")

    steering = Steering(FakeBackend(broken), Policy(name="free", payer="user"))
    with pytest.raises(UpstreamError, match="broke off"):
        await answers(steering, Ask(({"role": "user", "content": "When?"},)), count)
