"""Settings of the stages of training; reading them loads no torch."""

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from gtalign.config import Config


class SFTSettings(Config):
    """Settings of the cold start; lengths in tokens.

    ``completion_only`` leaves the prompt out of the loss. A model from scratch had better learn the
    prompts as well: what it is asked is all the language that it ever sees. With a
    ``matrix_learning_rate`` its matrices learn by Muon; without one, all learns by AdamW.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 32
    learning_rate: PositiveFloat = 3e-3
    matrix_learning_rate: PositiveFloat | None = None
    max_length: PositiveInt = 512
    completion_only: bool = True
    save_steps: PositiveInt = 100


class RLSettings(Config):
    """Settings of reinforcement learning; lengths in tokens.

    One step draws ``group`` completions for each of ``questions`` questions.
    """

    steps: PositiveInt = 80
    questions: PositiveInt = 8
    group: PositiveInt = 8
    learning_rate: PositiveFloat = 1e-3
    temperature: PositiveFloat = 1.0
    beta: NonNegativeFloat = 0.0
    max_completion: PositiveInt = 240
    save_steps: PositiveInt = 20
