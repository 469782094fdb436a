"""What the scripts share: what they ask, and how they tell what came of it.

A script runs in the environment of the clients, as ``python openai_sdk.py ADDRESS MODEL``, where
ADDRESS has no ``/v1``. It prints a line of JSON for each of its cases.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel

ADDRESS, MODEL = sys.argv[1:3]
BASE = f"{ADDRESS}/v1"
KEY = "none"
TOKENS = 320
"""Room for a chain and a response under the settings of `test_clients.config_of`."""

QUESTION = "What is the capital of France?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
LONG = "once more " * 3000
"""More than the engine's context holds."""


class Fact(BaseModel):
    """A form that even the smallest model fills in, if the engine holds it to a grammar."""

    city: Literal["Paris", "Rome"]
    sure: bool


Case = Callable[[], None]


def report(**cases: Case) -> None:
    """Run each case and say whether it passed; one that raises did not."""
    for name, case in cases.items():
        why = ""
        try:
            case()
        except Exception as error:  # whatever a client makes of an answer it did not expect
            why = f"{type(error).__name__}: {error}"[:600]
        print(json.dumps({"case": name, "passed": not why, "why": why}), flush=True)


def raises(
    kind: type[BaseException] | tuple[type[BaseException], ...], case: Callable[[], object]
) -> Any:
    """The error that a client is known to raise; anything else fails the case."""
    try:
        case()
    except kind as error:
        return error
    raise AssertionError(f"no error, where {kind} was due")
