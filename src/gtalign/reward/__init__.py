"""The mutual welfare reward: factors, welfare of each side, and their aggregate."""

from gtalign.reward.config import LLMWeights, RewardConfig, UserWeights, Window
from gtalign.reward.lengths import count_words
from gtalign.reward.normalise import NormaliseConfig, NormalisedReward, RunningNormaliser, normalise
from gtalign.reward.presets import PRESETS
from gtalign.reward.reading import Readings
from gtalign.reward.score import Reward
from gtalign.reward.scores import CHAIN_FACTORS, FACTORS, Score, Scores

__all__ = [
    "CHAIN_FACTORS",
    "FACTORS",
    "PRESETS",
    "LLMWeights",
    "NormaliseConfig",
    "NormalisedReward",
    "Readings",
    "Reward",
    "RewardConfig",
    "RunningNormaliser",
    "Score",
    "Scores",
    "UserWeights",
    "Window",
    "count_words",
    "normalise",
]
