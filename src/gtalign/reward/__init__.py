"""The mutual welfare reward: factors, welfare of each side, and their aggregate."""

from gtalign.reward.config import RewardConfig
from gtalign.reward.evidence import Evidence, Numbers
from gtalign.reward.factors import FACTORS, Factor
from gtalign.reward.normalise import NormaliseConfig, RunningNormaliser, normalise
from gtalign.reward.presets import PRESETS
from gtalign.reward.reading import Readings
from gtalign.reward.score import Reward
from gtalign.reward.scores import Score, Scores
from gtalign.reward.settings import RewardSettings, Window
from gtalign.reward.weights import LLMWeights, UserWeights, Weights

__all__ = [
    "FACTORS",
    "PRESETS",
    "Evidence",
    "Factor",
    "LLMWeights",
    "NormaliseConfig",
    "Numbers",
    "Readings",
    "Reward",
    "RewardConfig",
    "RewardSettings",
    "RunningNormaliser",
    "Score",
    "Scores",
    "UserWeights",
    "Weights",
    "Window",
    "normalise",
]
