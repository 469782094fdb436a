"""The arms of an experiment: the stage that each starts from, and what it learns there.

One entry each; the plan of a run, its training and the settings read `ARMS`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from gtalign.lab.rule import VALUE

__all__ = ["ARMS"]

COLD_START: Final = "cold-start"


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm.

    Args:
        start: The stage whose model it starts from: from the cold start a new model. From the base
            a pretrained model, if training begins with one. None for an arm without training.
        column: The column of the cold start that it learns; None for none.
        preferences: Whether it learns to prefer chains that obey an edited matrix.
        rewards: The rewards of its reinforcement learning, each as the keys that differ from the
            experiment's. Of several, each is normalised within its group and then added (GDPO,
            arXiv 2601.05242).
        published: Whether these differ from the reward that scores the answers, even where the
            experiment has another objective.
        chain: Whether it answers with a chain.
        prompted: Whether it is the pretrained model before any training. Where it answers with a
            chain, it gets the instruction for one.
        held: Whether it is held to the grammar of a chain.
        rule: Name of the rule that takes the decision from the matrix, and the belief, that the
            model states (`gtalign.lab.rule`); it learns nothing. None for the model's own decision.
    """

    start: str | None
    column: str | None = None
    preferences: bool = False
    rewards: tuple[Mapping[str, Any], ...] = ()
    published: bool = False
    chain: bool = True
    prompted: bool = False
    held: bool = False
    rule: str | None = None


USER, LLM = {"aggregate": "user"}, {"aggregate": "llm"}
LINEAR, MUTUAL = {"aggregate": "linear"}, {"aggregate": "cobb_douglas"}
ONE_REWARD: Final = {"user": USER, "llm": LLM, "linear": LINEAR, "mutual": MUTUAL}

PAPER_WINDOWS: Final[Mapping[str, Any]] = {
    "response_window": {"low": 8.7, "high": 86.7, "steepness": 0.0577},
    "total_window": {"low": 43.3, "high": 130.0, "steepness": 0.0577},
    "latency_scale": 43.3,
}
"""The windows and the latency of the paper, scaled at both edges from completions of 1,500 tokens
to the lab's 130."""


def _published(suffix: str, keys: Mapping[str, Any]) -> Iterator[tuple[str, Arm]]:
    for name, aggregate in ONE_REWARD.items():
        yield f"{name}-{suffix}", Arm("sft", rewards=({**keys, **aggregate},), published=True)


ARMS: Final[Mapping[str, Arm]] = {
    "as-is": Arm(None, prompted=True, chain=False),
    "zero-shot": Arm(None, prompted=True),
    "guided": Arm(None, prompted=True, held=True),
    "base": Arm(COLD_START, column="raw"),
    "sft": Arm("base", column="best"),
    "sft-plain": Arm("base", column="response", chain=False),
    "dpo": Arm("sft", preferences=True),
    **{name: Arm("sft", rewards=(keys,)) for name, keys in ONE_REWARD.items()},
    "plain": Arm("sft-plain", rewards=(MUTUAL,), chain=False),
    "maxmin": Arm("sft", rewards=({"aggregate": "ces", "rho": float("-inf")},)),
    "ces": Arm("sft", rewards=({"aggregate": "ces", "rho": -1.0},)),
    "gdpo": Arm("sft", rewards=(USER, LLM)),
    "weight-25": Arm("sft", rewards=({"aggregate": "weighted", "user_weight": 0.25},)),
    "weight-75": Arm("sft", rewards=({"aggregate": "weighted", "user_weight": 0.75},)),
    "constrained": Arm("sft", rewards=({"aggregate": "constrained"},)),
    "rule": Arm("sft", rule=VALUE),
    "rule-published": Arm("sft", rule="published"),
    "rule-bayes": Arm("sft", rule="bayes"),
    **dict(_published("paper", PAPER_WINDOWS)),
    **dict(_published("released", {**PAPER_WINDOWS, "reading": "released"})),
}
"""The arms by name."""

FULL: Final = ("base", "sft", "sft-plain", "dpo", "user", "llm", "linear", "mutual", "plain")
"""The arms of `gtalign lab --full`."""


def known_arm(name: str) -> str:
    """Return the name of an arm as it is; raises ValueError for any other text."""
    if name not in ARMS:
        raise ValueError(f"{name!r} is no arm; there are {', '.join(ARMS)}")
    return name


ArmName = Annotated[str, AfterValidator(known_arm)]
