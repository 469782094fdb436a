"""Cold start and reinforcement learning on TRL. Importing this package loads torch."""

from gtalign.training.rl import RLSettings, train_rl
from gtalign.training.sft import SFTSettings, train_sft

__all__ = ["RLSettings", "SFTSettings", "train_rl", "train_sft"]
