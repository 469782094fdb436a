"""The presets as data: the paper's reward, that of its released code, and ours.

The source of the first two is GTAlign, arXiv 2510.08872, section 3, and the reward files of its
code. ``robust`` has the paper's weights, and terms that a useless answer cannot earn
(see `gtalign.reward.robust`). ``episode`` pays the true payoffs of an answer, where the judge knows
them.
"""

from collections.abc import Mapping
from typing import Any

FLOOR = 1e-4
"""Constant that the released code adds to either side, so a factor of 0 leaves a gradient."""

PAPER: Mapping[str, Any] = {
    "terms": "paper",
    "reading": "strict",
    "quality": "paper",
    "unit": "tokens",
    "latency_unit": "tokens",
    "latency_scale": 500.0,
    "response_window": {"low": 100.0, "high": 1000.0, "steepness": 0.005},
    "total_window": {"low": 500.0, "high": 1500.0, "steepness": 0.005},
    "user": {"constant": 0.0, "quality": 0.5, "window": 0.2, "latency": 0.3},
    # The paper's .4 G with G = (F + (M + S)/2) / 2, multiplied out.
    "llm": {
        "constant": 0.0,
        "quality": 0.4,
        "window": 0.2,
        "format": 0.2,
        "distinctness": 0.1,
        "solution": 0.1,
    },
    "llm_by_task": {},
}

ROBUST: Mapping[str, Any] = {
    **PAPER,
    "terms": "robust",
    # No lower edge: an answer that is short and good has nothing to gain from padding.
    "response_window": {"low": 0.0, "high": 1000.0, "steepness": 0.005},
    "total_window": {"low": 0.0, "high": 1500.0, "steepness": 0.005},
}

EPISODE: Mapping[str, Any] = {
    **PAPER,
    "user": {**dict.fromkeys(PAPER["user"], 0.0), "episode_user": 1.0},
    "llm": {**dict.fromkeys(PAPER["llm"], 0.0), "episode_llm": 1.0},
}

RELEASED: Mapping[str, Any] = {
    "terms": "paper",
    "reading": "released",
    "quality": "released",
    "unit": "words",
    "latency_unit": "characters",
    "latency_scale": 500.0,
    "response_window": {"low": 20.0, "high": 500.0, "steepness": 0.005},
    "total_window": {"low": 500.0, "high": 1000.0, "steepness": 0.005},
    "user": {"constant": FLOOR, "quality": 0.5, "window": 0.2, "latency": 0.3},
    "llm": {
        "constant": FLOOR,
        "quality": 0.4,
        "window": 0.2,
        "format": 0.2,
        "distinctness": 0.2,
        "solution": 0.0,
    },
    "llm_by_task": {},
}

_IN_DISTRIBUTION: Mapping[str, float] = {
    "constant": FLOOR,
    "quality": 0.35,
    "window": 0.05,
    "format": 0.2,
    "distinctness": 0.2,
    "solution": 0.2,
}

RELEASED_EVAL: Mapping[str, Any] = {
    **RELEASED,
    "reading": "released-eval",
    "llm_by_task": {
        task: _IN_DISTRIBUTION for task in ("math-hard", "medium", "wildguard", "ambig_qa")
    },
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "robust": ROBUST,
    "paper": PAPER,
    "released": RELEASED,
    "released-eval": RELEASED_EVAL,
    "episode": EPISODE,
}
"""The keys of a `RewardConfig` that each preset sets, by the name of the preset."""
