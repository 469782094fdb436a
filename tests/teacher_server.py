"""The rule-driven teacher and judge of the examples, for the server of the judges' tests."""

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

from gtalign.judges.trial import QUESTION
from gtalign.synthesis import ColdStartConfig
from judge_server import JudgeServer

_FILE = Path(__file__).parents[1] / "examples" / "local_server.py"
_SPEC = importlib.util.spec_from_file_location("local_server", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
local_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(local_server)


class Rules:
    """Answers as the example server does; each request a new draw of its noise.

    No two responses are the same, so that each is judged.
    """

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self.count = 0

    def __call__(self, body: dict[str, Any]) -> str:
        said: str = local_server.reply(body, self.rng)
        self.count += 1
        return f"{said} ({self.count})" if part_of(body) == "response" else said


def part_of(body: dict[str, Any]) -> str:
    """Return which part of a chain a request asks for; ``judge`` if none."""
    found = local_server.PART.search(body["messages"][-1]["content"])
    return found[1] if found else "judge"


def is_trial(body: dict[str, Any]) -> bool:
    """Whether a request is the plain question that a judge is tried on."""
    return QUESTION.messages[0]["content"] in body["messages"][-1]["content"]


def write_questions(file: Path, count: int) -> None:
    """Write rows of ambiguous and clear questions."""
    rows = []
    for number in range(count):
        label = "multipleQAs" if number % 2 else "singleAnswer"
        text = f"Who owns the first bank number {number} in the old town?"
        rows.append(
            {
                "prompt": [{"role": "user", "content": text}],
                "data_source": "ambig_qa",
                "reward_model": {"ground_truth": f"{label}###Answer {number}"},
                "extra_info": {"single_turn_prompt": text, "split": "train"},
            }
        )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def cold_start(server: JudgeServer, file: Path, **changes: Any) -> ColdStartConfig:
    """Return a configuration whose teacher and judge are one server."""
    endpoint = {"url": server.url, "model": "rules", "attempts": 2}
    short: dict[str, Any] = {"preset": "paper"}
    short |= {"response_window": {"low": 3, "high": 60}, "total_window": {"low": 30, "high": 300}}
    return ColdStartConfig.model_validate(
        {
            "questions": [file],
            "candidates": 2,
            "teachers": {"local": endpoint},
            "judges": {"default": ["local"], "endpoints": {"local": endpoint}},
            "reward": short,
            "selection": {"min_welfare": 0, "min_quality": 0, "action_share": 1},
            **changes,
        }
    )
