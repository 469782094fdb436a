"""TRL: what its GRPO trainer needs to train on single answers, by the names of its parameters.

`gtalign.training.conversations` offers the same for conversations with a simulated user, and
``gtalign rl`` runs either from one file.
"""

from gtalign.integrations.trl.spec import AnswerSpec

__all__ = ["AnswerSpec"]
