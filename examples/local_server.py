"""A teacher and a judge by rules, behind an OpenAI-compatible API on this machine.

    pip install -e ".[judge,serve]"
    python examples/local_server.py --port 8001 [--delay 0.2] [--slots 64] [--checkpoint FOLDER]

Not models: the teacher fills templates with words of the question and errs at random, the judge
looks at whether an answer asks or answers. They stand in for `vllm serve` where there is no GPU, so
that `gtalign synth`, `rl` and `eval` run over real HTTP (docs/how-to/reproduce.md). A request with
a seed always gets the same answer. With a checkpoint of `gtalign lab`, the lab's model is the
teacher.
"""

import argparse
import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gtalign.game import USER_LLM, Bimatrix, social_optimum

PART = re.compile(r'Write the part "(\w+)"')
CHOICE = re.compile(r"Choose ([A-Z]+)_([A-Z]+)\.")
FENCE = re.compile(r"<<<BEGIN (?P<name>.+?) (?P<code>\S+)>>>\n(?P<text>.*?)\n<<<END", re.DOTALL)
VAGUE = {"VQ_DA": (0, 0), "VQ_CQ": (2, 3), "VQ_AQ": (1, 1), "DQ_DA": (1, 1)}
CLEAR = {"DQ_DA": (3, 3), "DQ_CQ": (0, -1), "DQ_AQ": (1, 2), "VQ_CQ": (1, 1)}


def reply(body: dict[str, Any], rng: random.Random) -> str:
    """Return what this server's model says to a request."""
    asked = body["messages"][-1]["content"]
    part = PART.search(asked)
    if part is None:
        return verdict(body) if "<<<BEGIN" in asked else "I am not a model."
    question = asked.split("\n\nThe parts so far:")[0].split("\n\nWrite the part")[0]
    words = re.findall(r"\w{4,}", question.rpartition("user: ")[2]) or ["it"]
    topic = " ".join(words[-2:])
    if part[1] == "thinking":
        vague = (len(words) < 8) != (rng.random() < 0.25)
        kind = "vague: VQ" if vague else "detailed: DQ"
        return f"The user wants to know about {topic}. The question is {kind}."
    if part[1] == "payoff":
        return json.dumps(payoff("vague: VQ" in asked, rng).to_json())
    if part[1] == "analyze":
        matrix = json.loads(asked.partition("payoff:\n")[2].partition("\n")[0])
        cell = USER_LLM.cells[int(social_optimum(Bimatrix.from_json(matrix).payoffs))]
        if rng.random() < 0.1:
            cell = rng.choice(USER_LLM.cells)
        return f"The highest sum on the frontier is that of {cell}. Choose {cell}."
    action = (CHOICE.search(asked) or ["", "", "DA"])[2]
    answer = f"Here is what is known about {topic}: it is {' and '.join(words[:3])}."
    ask = f"Which {words[-1]} do you mean?"
    return {"DA": answer, "CQ": ask, "AQ": f"{answer} {ask}"}[action]


def payoff(vague: bool, rng: random.Random) -> Bimatrix:
    """Return a matrix in favour of asking or answering, with some noise.

    In halves: a small student spends most of its tokens on the matrix, and most errors.
    """
    worth = VAGUE if vague else CLEAR
    cells = {}
    for cell in USER_LLM.cells:
        user, llm = worth.get(cell, (-1, -2))
        cells[cell] = {
            "LLM": llm + rng.randint(-2, 2) / 2,
            "user": user + rng.randint(-2, 2) / 2,
        }
    return Bimatrix.from_json(cells)


def verdict(body: dict[str, Any]) -> str:
    """Give full marks to a question where the reference is ambiguous, else to a direct answer.

    All other answers get the lowest score of the scale, which is whatever the criterion says.
    """
    texts = {
        found["name"]: found["text"] for found in FENCE.finditer(body["messages"][-1]["content"])
    }
    wants_question = texts.get("reference", "").startswith(("| multipleQAs", "| ambiguous"))
    answer = texts.get("answer", "")
    right = ("?" in answer) == wants_question and len(answer.split()) > 3
    schema = body["response_format"]["json_schema"]["schema"]
    scale = schema["properties"]["score"]["enum"]
    score = max(scale) if right else min(scale)
    return json.dumps({"reason": "by rule", "score": score})


def application(delay: float, slots: int, seed: int, checkpoint: Path | None = None) -> Starlette:
    """Return the server: at most `slots` requests at once, each taking `delay` seconds."""
    rng, room = random.Random(seed), asyncio.Semaphore(slots)
    teacher = None
    if checkpoint is not None:
        from lab_teacher import LabTeacher

        teacher = LabTeacher(checkpoint, seed=seed)

    async def complete(request: Request) -> JSONResponse:
        body = await request.json()
        async with room:
            await asyncio.sleep(delay)
        asked = body["messages"][-1]["content"]
        if teacher is not None and PART.search(asked):
            text = await teacher.write(asked)
        else:
            text = reply(body, random.Random(body["seed"]) if "seed" in body else rng)
        prompt = sum(len(m["content"].split()) for m in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": len(text.split())}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return JSONResponse(
            {
                "id": "local",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
                "usage": {**usage, "total_tokens": sum(usage.values())},
            }
        )

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


class Server(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: Any = None) -> None:
        """Open the port."""
        await super().startup(sockets)
        for server in self.servers:
            port = server.sockets[0].getsockname()[1]
            print(f"ready: http://127.0.0.1:{port}/v1 (Ctrl-C stops it)", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--slots", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="the lab's model as the teacher")
    given = parser.parse_args()
    app = application(given.delay, given.slots, given.seed, given.checkpoint)
    Server(uvicorn.Config(app, host="127.0.0.1", port=given.port, log_level="warning")).run()
