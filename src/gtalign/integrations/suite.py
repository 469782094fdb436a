"""A suite: questions, how answers to them are scored, and who plays the user; one file for all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from gtalign.config import Config, Files, load
from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.dialogue import UserSettings
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig
from gtalign.tasks import Message, Question


class Suite(Config):
    """What a model is asked in another framework, and how its answers are scored.

    Keys:
        questions: Files of questions.
        limit: Most questions in total, from the beginning; all by default.
        instruct: Whether the prompt begins with our system message, which asks for the chain if the
            reward reads one.
        reward: Reward of a single answer.
        judges: Judges that grade single answers.
        tokenizer: Folder of a tokenizer that counts tokens; by default words are counted.
        user: The simulated user of conversations.
        turns: Most answers of the model in a conversation.
        seconds: Most seconds that the user may take for a reply.
        seed: Seed of the user.
    """

    questions: Files
    limit: PositiveInt | None = None
    instruct: bool = True
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    tokenizer: Path | None = None
    user: UserSettings = UserSettings()
    turns: PositiveInt = 4
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    seed: NonNegativeInt = 0

    def read(self) -> list[Question]:
        """Return the questions.

        Raises:
            DataError: A file is wrong.
        """
        return list(read_rows(*self.questions, limit=self.limit))

    def prompt(self, messages: Sequence[Message]) -> list[Message]:
        """Return what the model is given for a conversation."""
        reward = self.reward
        return given(messages, instruct=self.instruct, chain=reward.chain, belief=reward.belief)


def load_suite(
    file: Path | str | None = None,
    questions: Sequence[Path | str] | Path | str | None = None,
    limit: int | None = None,
) -> Suite:
    """Return the suite of a file, with other questions if some are named.

    Args:
        file: A TOML file; without one, the defaults score the questions.
        questions: Files of questions, instead of those that the file names.
        limit: Most questions in total, instead of the file's.

    Raises:
        ConfigError: The file is wrong, or neither it nor ``questions`` names any.
    """
    files = [questions] if isinstance(questions, Path | str) else questions
    options = {
        "questions": ("questions", None if files is None else [str(path) for path in files]),
        "limit": ("limit", limit),
    }
    return load(Suite, file, options=options)
