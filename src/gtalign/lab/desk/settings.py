"""Settings of a lab run over turns; reading them loads no torch."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from gtalign.config import Config
from gtalign.training import RLSettings, SFTSettings

Learned = Literal["single", "turns", "turns-credit", "turns-gdpo"]
"""``single`` learns from the first answer alone; ``turns`` from the welfare of whole conversations;
``turns-credit`` likewise with credit by turn; ``turns-gdpo`` with U and L as two rewards."""


class TurnsSettings(Config):
    """A lab run at the desk: conversations whose best policy is known (`gtalign.lab.desk`).

    Keys:
        arms: What is trained from the cold start.
        train_questions: Questions to learn from.
        test_questions: Questions to be tested on.
        plays: Conversations on each test question, each with another person.
        sft: Settings of the cold start.
        rl: Settings of reinforcement learning; ``max_completion`` is the longest answer.
    """

    arms: Annotated[tuple[Learned, ...], Field(min_length=1)] = ("turns", "single")
    train_questions: PositiveInt = 3000
    test_questions: PositiveInt = 200
    plays: PositiveInt = 6
    sft: SFTSettings = SFTSettings(
        epochs=2,
        batch=32,
        learning_rate=0.01,
        matrix_learning_rate=0.03,
        max_length=192,
    )
    rl: RLSettings = RLSettings(
        steps=120, questions=16, group=8, learning_rate=1e-3, max_completion=12, save_steps=20
    )
