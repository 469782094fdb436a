"""A scripted model and a judge behind an OpenAI-compatible API, which every framework asks."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gtalign.judges.trial import QUESTION
from standins.model import chain

Say = Callable[[dict[str, Any]], str | None]
"""Takes the body of a request; returns the text of the answer, or None to fail."""

RED, GREEN = "The red house is old.", "The green house is new."
READINGS = (
    f"multipleQAs###Meaning 1: How old is the red house?; Answer 1: {RED} "
    f"Meaning 2: How old is the green house?; Answer 2: {GREEN}"
)


def rows() -> list[dict[str, Any]]:
    """Questions that leave something out, and others that do not."""
    found = []
    for number in range(10):
        vague = number % 2 == 0
        text = f"How old is the house number {number}?"
        truth = READINGS if vague else f"singleAnswer###{RED}"
        found.append(
            {
                "prompt": [{"role": "user", "content": text}],
                "data_source": "ambig_qa",
                "reward_model": {"ground_truth": truth},
                "extra_info": {"single_turn_prompt": text, "split": "test"},
            }
        )
    return found


def plain_answer(body: dict[str, Any]) -> str:
    """Ask, answer, or do both, by the number of the house; answer what the user said it means."""
    last = body["messages"][-1]["content"]
    if "red" in last:
        return RED
    if "green" in last:
        return f"Thank you. {GREEN}"
    number = int(last.rpartition("number ")[2].rstrip("?") or 0)
    return (
        "Which house do you mean?",
        RED,
        f"{GREEN} Which house do you mean?",
        "<think>\nI wonder about houses.\n</think>\n\n" + RED,
        "Which house do you mean? Or do you mean the street?",
        "",
    )[number % 6]


def chain_answer(body: dict[str, Any]) -> str:
    """A chain, whole or broken, by the number of the house."""
    last = body["messages"][-1]["content"]
    number = int(last.rpartition("number ")[2].rstrip("?") or 0)
    whole = chain(last)
    return (whole, whole.replace("</payoff>", ""), RED, whole.replace("CQ", "DA"))[number % 4]


def verdict(body: dict[str, Any]) -> str:
    """Grade by the length of the graded text; the plain question of the trial gets full marks."""
    asked = body["messages"][-1]["content"]
    trial = QUESTION.messages[0]["content"] in asked
    return json.dumps({"reason": "by its length", "score": 1 if trial else len(asked) % 2})


@contextmanager
def serving(say: Say) -> Iterator[str]:
    """Run a server on a free port; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = say(body)
            if said is None:
                self._send(400, {"error": {"message": "out of order", "type": "invalid_request"}})
                return
            self._send(200, completion(body.get("model", ""), said))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(model: str, said: str) -> dict[str, Any]:
    """A chat completion; its tokens are words, as where no tokenizer is known."""
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": said},
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": len(said.split()),
            "total_tokens": 1 + len(said.split()),
        },
    }
