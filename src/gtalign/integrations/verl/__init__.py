"""Reinforcement learning on verl and Ray: one configuration, reward, data and transcripts.

verl 0.9 lives in an environment of its own. This package can be imported without it; its modules
``manager`` and ``plugin`` load it.
"""

from gtalign.integrations.verl.reward import compute_score

__all__ = ["compute_score"]
