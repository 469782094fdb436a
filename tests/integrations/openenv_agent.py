"""Plays the episodes of an environment and prints how each ends; runs where OpenEnv is installed.

python openenv_agent.py answers|conversations MODEL_ADDRESS served|direct
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import uvicorn
from openenv.core.generic_client import GenericEnvClient

from gtalign.integrations.openenv import app
from gtalign.integrations.openenv.answers import AnswerEnvironment
from gtalign.integrations.openenv.conversations import ConversationEnvironment
from gtalign.integrations.openenv.words import Said
from gtalign.integrations.suite import load_suite

CLASSES = {"answers": AnswerEnvironment, "conversations": ConversationEnvironment}


def ask(model: str, messages: list[dict[str, str]]) -> str:
    body = json.dumps({"model": "scripted", "messages": messages}).encode()
    with urlopen(Request(f"{model}/chat/completions", body)) as reply:
        said: str = json.load(reply)["choices"][0]["message"]["content"]
        return said


@contextmanager
def serving(name: str) -> Iterator[str]:
    os.environ["GTALIGN_SUITE"] = "suite.toml"
    config = uvicorn.Config(getattr(app, name)(), port=0, log_level="warning")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def played(env: Any, model: str, seed: int, *, direct: bool) -> dict[str, Any]:
    found = env.reset(seed=seed)
    while not found.done:
        heard = found if direct else found.observation
        messages = heard.messages if direct else heard["messages"]
        message = ask(model, messages)
        found = env.step(Said(message=message) if direct else {"message": message})
    heard = found.model_dump() if direct else found.observation
    state = env.state.model_dump() if direct else env.state()
    return {
        "question": state["question"],
        "steps": state["step_count"],
        "reward": found.reward,
        "problem": heard["problem"],
        "metadata": heard["metadata"],
    }


name, model, how = sys.argv[1:]
if how == "direct":
    env = CLASSES[name](load_suite("suite.toml"))
    for seed in range(10):
        print(json.dumps(played(env, model, seed, direct=True)))
    env.close()
else:
    with serving(name) as address, GenericEnvClient(base_url=address).sync() as env:
        for seed in range(10):
            print(json.dumps(played(env, model, seed, direct=False)))
