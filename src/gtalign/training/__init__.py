"""Cold start (`gtalign.training.sft`) and reinforcement learning (`gtalign.training.rl`) on TRL.

Importing this package gives their settings and the reward functions; only the two modules load
torch.
"""

from gtalign.training.normalised import NormalisedReward
from gtalign.training.reward import TRLReward
from gtalign.training.settings import HardwareSettings, LoRASettings, RLSettings, SFTSettings

__all__ = [
    "HardwareSettings",
    "LoRASettings",
    "NormalisedReward",
    "RLSettings",
    "SFTSettings",
    "TRLReward",
]
