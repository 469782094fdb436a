"""Training on TRL: the cold start, preferences, and reinforcement learning.

They are `gtalign.training.sft`, `gtalign.training.dpo`, `gtalign.training.rl` and, for whole
conversations, `gtalign.training.turns`. Importing this package gives their settings and the reward
functions; only these modules load torch.
"""

from gtalign.training.normalised import NormalisedReward
from gtalign.training.reward import TRLReward
from gtalign.training.settings import (
    DPOSettings,
    GuardSettings,
    HardwareSettings,
    LoRASettings,
    RLSettings,
    SFTSettings,
)
from gtalign.training.talks import TalkSettings

__all__ = [
    "DPOSettings",
    "GuardSettings",
    "HardwareSettings",
    "LoRASettings",
    "NormalisedReward",
    "RLSettings",
    "SFTSettings",
    "TRLReward",
    "TalkSettings",
]
