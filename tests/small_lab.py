"""A lab so small that a test can train in it."""

from pathlib import Path
from typing import Any

from gtalign.lab.model import make_model
from gtalign.lab.teachers import Noise, candidate
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.lab.world import World, make_world

SETTINGS: dict[str, Any] = {
    "arms": ["base", "sft", "sft-plain", "mutual", "plain"],
    "workers": 1,
    "threads": 1,
    "world": {"train_items": 1, "test_items": 1},
    "model": {"vocabulary": 300, "width": 32, "layers": 1, "positions": 512},
    "experiment": {
        "candidates": 3,
        "raw": 1,
        "drills": 2,
        "counterfactual": 0.5,
        "test_batch": 4,
        "sft": {"batch": 2, "max_length": 48, "too_long": "cut", "save_steps": 2},
        "dpo": {"batch": 4, "save_steps": 2},
        "rl": {"steps": 3, "questions": 2, "group": 2, "max_completion": 6, "save_steps": 2},
    },
    "steering": {"questions": 2, "ways": ["advise", "reask"], "max_tokens": 12},
    "faithfulness": {"limit": 2, "max_tokens": 12},
    "policy_lines": {
        "share": 0.5,
        "questions": 1,
        "each": 1,
        "ways": ["line", "advise"],
        "max_tokens": 12,
    },
}
"""Settings of `gtalign lab`: 8 questions to learn from and 14 to be tested on."""

SILENT = Noise(
    misread=0,
    payoff_sd=0,
    tie=0,
    stray_choice=0,
    disobey=0,
    wrong_answer=0,
    idle_words=0,
    broken=0,
)
"""Teachers that never err."""


def small_world() -> World:
    return make_world(0, 1, 1)


def small_tokenizer(texts: list[str] | None = None) -> Any:
    if texts is None:
        import numpy as np

        rng = np.random.default_rng(0)
        texts = [candidate(question, rng) for question in small_world().train]
    return train_tokenizer(texts, 300)


def small_model(tokenizer: Any, seed: int = 0) -> Any:
    return make_model(tokenizer, seed=seed, width=32, layers=1, positions=512)


def contents(folder: Path, *names: str) -> dict[str, bytes]:
    """Return the bytes of the files of these names below a folder, by their relative paths."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in names
        for path in sorted(folder.rglob(name))
    }
