"""Settings of a lab run over turns; reading them loads no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PositiveInt, model_validator

from gtalign.config import Config, merge
from gtalign.training import RLSettings, SFTSettings

Learned = Literal["single", "turns", "turns-credit", "turns-gdpo"]
"""``single`` learns from the first answer alone; ``turns`` from the welfare of whole conversations;
``turns-credit`` likewise with credit by turn; ``turns-gdpo`` with U and L as two rewards."""


USUAL: Final[Mapping[str, Any]] = {
    "sft": {
        "epochs": 2,
        "batch": 32,
        "learning_rate": 0.01,
        "matrix_learning_rate": 0.03,
        "max_length": 192,
    },
    "rl": {
        "steps": 400,
        "questions": 16,
        "group": 8,
        "learning_rate": 0.001,
        "beta": 0.05,
        "max_completion": 12,
    },
}
"""The defaults of the desk, where they differ from the general ones."""


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
    train_questions: PositiveInt = 4000
    test_questions: PositiveInt = 200
    plays: PositiveInt = 6
    sft: SFTSettings = SFTSettings.model_validate(USUAL["sft"])
    rl: RLSettings = RLSettings.model_validate(USUAL["rl"])

    @model_validator(mode="before")
    @classmethod
    def _fit_to_the_desk(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {**given, **merge(USUAL, {name: given[name] for name in USUAL if name in given})}
