"""The mutual welfare reward: factors, welfare of each side, and their aggregate."""

from gtalign.reward.config import LLMWeights, RewardConfig, UserWeights, Window
from gtalign.reward.lengths import count_words
from gtalign.reward.normalise import NormaliseConfig, NormalisedReward, RunningNormaliser, normalise
from gtalign.reward.presets import PRESETS
from gtalign.reward.score import Reward
from gtalign.reward.scores import CHAIN_FACTORS, FACTORS, Score, Scores
from gtalign.reward.trl import TRLReward

__all__ = [
    "CHAIN_FACTORS",
    "FACTORS",
    "PRESETS",
    "LLMWeights",
    "NormaliseConfig",
    "NormalisedReward",
    "Reward",
    "RewardConfig",
    "RunningNormaliser",
    "Score",
    "Scores",
    "TRLReward",
    "UserWeights",
    "Window",
    "count_words",
    "normalise",
]
