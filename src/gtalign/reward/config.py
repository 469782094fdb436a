"""Configuration of a reward: a preset, and the keys that change it."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from gtalign.config import merge
from gtalign.reward.presets import PRESETS, ROBUST
from gtalign.reward.settings import RewardSettings
from gtalign.reward.weights import LLMWeights, UserWeights


class RewardConfig(RewardSettings):
    """Configuration of a reward.

    ``preset`` fills every key that is not given: ``preset = "released"`` with ``llm.format = 0.3``
    changes one weight of the released reward.

    Keys:
        user: Weights of the factors in U.
        llm: Weights of the factors in L.
        llm_by_task: LLM weights of tasks that differ from ``llm``, by task name.
    """

    user: UserWeights = UserWeights(**ROBUST["user"])
    llm: LLMWeights = LLMWeights(**ROBUST["llm"])
    llm_by_task: dict[str, LLMWeights] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        preset = given.get("preset", "robust")
        # An unknown preset is left for the field's own check to refuse.
        return merge(PRESETS.get(preset, {}) if isinstance(preset, str) else {}, given)
