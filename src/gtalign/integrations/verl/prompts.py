"""How long the prompts of a run are: verl leaves out questions whose prompt is too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gtalign.game.file import load_game
from gtalign.integrations.verl.rows import prompt_of
from gtalign.models.tokens import counter_at
from gtalign.tasks import Question
from gtalign.training.rl_run import RLRun

CHARACTERS: Final = 4
"""Characters of a token, where no tokenizer can count them."""


@dataclass(frozen=True, slots=True)
class PromptLengths:
    """The lengths of prompts, without what the model's chat template adds.

    Args:
        tokens: Tokens of each prompt.
        counted: Who counted them.
    """

    tokens: Sequence[int]
    counted: str

    def too_long(self, limit: int) -> int:
        """Return how many prompts have more tokens than a limit."""
        return sum(tokens > limit for tokens in self.tokens)

    def to_plan(self, limit: int) -> dict[str, Any]:
        """Return what a plan says of them."""
        return {
            "shortest": min(self.tokens),
            "longest": max(self.tokens),
            "counted": self.counted,
            "left_out": self.too_long(limit),
        }


def prompt_lengths(run: RLRun, questions: Sequence[Question]) -> PromptLengths:
    """Count the tokens of the prompts, by the model's tokenizer if it lies here.

    Raises:
        ConfigError: The game cannot be read.
    """
    form = load_game(run.game)
    texts = (
        "".join(message["content"] for message in prompt_of(question, run, form))
        for question in questions
    )
    count = counter_at(run.model)
    if count is None:
        tokens = [len(text) // CHARACTERS for text in texts]
        return PromptLengths(tokens, f"{CHARACTERS} characters a token, no tokenizer is here")
    return PromptLengths([count(text) for text in texts], "by the model's tokenizer")
