"""Configurations of the runs of `gtalign sft` and `gtalign rl`."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Share
from gtalign.judges import JudgesConfig
from gtalign.reward import NormaliseConfig, RewardConfig
from gtalign.training.memory import ModelSize
from gtalign.training.settings import RLSettings, SFTSettings

Files = Annotated[tuple[Path, ...], Field(min_length=1)]


class HeldOutSettings(Config):
    """Questions that are answered and scored while supervised training goes on.

    Keys:
        questions: Files of them; none by default.
        limit: Most questions, from the beginning.
        instruct: Whether the model is given our system message with the instruction for the chain,
            as it is in the rows of `gtalign synth`.
        every: Steps between two evaluations; one more comes at the end.
        batch: Questions answered at once.
        max_tokens: Longest answer.
        temperature: Of sampling; 0 takes the likeliest token.
    """

    questions: tuple[Path, ...] = ()
    limit: PositiveInt = 64
    instruct: bool = True
    every: PositiveInt = 100
    batch: PositiveInt = 32
    max_tokens: PositiveInt = 1024
    temperature: NonNegativeFloat = 0.0


class SFTRun(Config):
    """A run of supervised training.

    Keys:
        model: Folder or name of the model to begin with.
        data: Rows with a ``completion``, JSON Lines, such as ``kept.jsonl`` of `gtalign synth`.
        seed: Of the order of the examples.
        sft: Settings of training.
        held_out: What is evaluated on the way.
        reward: By which held-out answers are scored.
        judges: Who grades them.
        size: Sizes of the network, for the dry run.
    """

    model: str
    data: Files
    seed: NonNegativeInt = 0
    sft: SFTSettings = SFTSettings()
    held_out: HeldOutSettings = HeldOutSettings()
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    size: ModelSize | None = None


class RLReward(RewardConfig):
    """The reward of a run of reinforcement learning.

    Keys, besides those of `RewardConfig`:
        normalise: How rewards are normalised per task, for training on several at once; not at all
            by default.
    """

    normalise: NormaliseConfig | None = None


class RLRun(Config):
    """A run of reinforcement learning.

    Keys:
        model: Folder or name of the model to begin with.
        questions: Files of questions.
        limit: Most questions, from the beginning; all by default.
        instruct: Whether the model is given our system message with the instruction for the chain.
        max_prompt: Longest prompt in tokens, for the dry run's memory; longer ones are not cut.
        seed: Of the order of the questions and of sampling.
        rl: Settings of training.
        reward: What is maximised.
        judges: Who grades the responses.
        max_failed: Largest share of the latest ``window`` judged completions without a score.
        window: Number of those completions.
        size: Sizes of the network, for the dry run.
    """

    model: str
    questions: Files
    limit: PositiveInt | None = None
    instruct: bool = True
    max_prompt: PositiveInt = 1024
    seed: NonNegativeInt = 0
    rl: RLSettings = RLSettings()
    reward: RLReward = RLReward()
    judges: JudgesConfig = JudgesConfig()
    max_failed: Share = 0.5
    window: PositiveInt = 256
    size: ModelSize | None = None

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if self.rl.group < 2:
            raise ValueError("rl.group has to be at least 2: GRPO compares answers to one question")
        return self
