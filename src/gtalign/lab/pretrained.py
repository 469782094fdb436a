"""The lab's defaults for a run that begins with a pretrained model.

Its chains are in English and worked out, so they are three times as long as those of a network from
scratch, and the windows of the reward are wider.
"""

from collections.abc import Mapping
from typing import Any, Final

ARMS: Final = ("as-is", "zero-shot", "guided", "sft", "sft-plain", "mutual", "plain")

FULL: Final = (*ARMS[:-2], "dpo", "user", "llm", "linear", *ARMS[-2:])
"""The arms of `gtalign lab --full` with such a model."""

WORLD: Final[Mapping[str, Any]] = {
    "language": "english",
    "train_items": 50,
    "test_items": 10,
    "worked_out": True,
}

PUBLISHED: Final[Mapping[str, Any]] = {
    "train_questions": 100,
    "test_questions": 20,
    "max_chars": 1200,
}

EXPERIMENT: Final[Mapping[str, Any]] = {
    "candidates": 4,
    "raw": 1,
    "counterfactual": 1.0,
    "test_batch": 32,
    # The paper's reward with windows and latency scaled to completions of 350 tokens, not 1,500.
    "reward": {
        "preset": "paper",
        "response_window": {"low": 3.0, "high": 80.0, "steepness": 0.25},
        "total_window": {"low": 3.0, "high": 600.0, "steepness": 0.1},
        "latency_scale": 550.0,
    },
    "sft": {
        "batch": 8,
        "learning_rate": 1e-4,
        "warmup": 5,
        "max_length": 768,
        "save_steps": 10,
        "hardware": {"accumulation": 4},
    },
    "rl": {
        "steps": 40,
        "questions": 4,
        "group": 4,
        "learning_rate": 2e-5,
        "max_completion": 448,
        "save_steps": 5,
        "hardware": {"accumulation": 4},
    },
}

TRIAL: Final[Mapping[str, Any]] = {
    "utility_of_money": 1200.0,
    "ways": ["observe", "advise", "enforce"],
    "questions": 20,
    "max_tokens": 600,
    "expected": {
        "DA": {"output": 340.0},
        "CQ": {"output": 335.0, "turns": 1.0, "follow_up": 340.0, "reply": 15.0},
        "AQ": {"output": 350.0, "turns": 0.5, "follow_up": 340.0, "reply": 15.0},
    },
}

FAITHFUL: Final[Mapping[str, Any]] = {"limit": 20, "max_tokens": 600, "batch": 32}
