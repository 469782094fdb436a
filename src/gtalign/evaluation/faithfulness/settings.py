"""Settings of a measurement of faithfulness."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from gtalign.config import Config, Files
from gtalign.evaluation.faithfulness.edits import EDITS, known_edit
from gtalign.game.file import GameSource
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig
from gtalign.steering import ActionTokens, Policy, load_policy
from gtalign.steering.policy import PolicySource
from gtalign.steering.settings import Instruct, SteeringSettings

Mode = Literal["advise", "enforce"]
"""How an edited matrix is handed back: alone, or with the analysis opened that names its optimum.
"""

EditName = Annotated[str, AfterValidator(known_edit)]
"""Name of an entry in `gtalign.evaluation.faithfulness.EDITS`."""


class FaithfulnessSettings(Config):
    """How it is measured whether the matrix causes the answer.

    Keys:
        limit: Most questions in total, from the beginning; in the lab, 0 turns it off.
        edits: Names of the edits by rule; each applies to the matrices that allow it.
        modes: ``advise`` shows the model the edited matrix alone; ``enforce`` also opens its
            analysis with the optimal cell.
        temperature: Temperature of the sampling; 0 takes the likeliest token.
        max_tokens: Most tokens of an answer.
        batch: Messages that a model in this process continues at once, and requests that are under
            way at once to a server.
    """

    limit: NonNegativeInt = 60
    edits: tuple[EditName, ...] = Field(default_factory=lambda: tuple(EDITS))
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("advise", "enforce")
    temperature: NonNegativeFloat = 0.0
    max_tokens: PositiveInt = 2048
    batch: PositiveInt = 32


class FaithfulnessRun(FaithfulnessSettings):
    """A run of `gtalign faithful`.

    Keys:
        model: A checkpoint folder, ``gguf:FILE``, ``package:NAME``, or the address of a server.
        questions: Files of questions.
        limit: Most questions in total, from the beginning.
        served: Name of the model on the server; by default the first that it lists.
        tokenizer: Folder of a tokenizer for a server that continues plain text only.
        instruct: The instruction for the chain, as for steering; ``none`` for a model that was
            trained to write chains without it.
        game: The game that chains are about: a file, or the name of one that comes with the
            package; by default that of one assistant turn.
        opening: Text with which ``enforce`` begins the analysis, as for steering.
        policies: Names of pricing policies, or files; each is a further edit.
        utility_of_money: Replaces that of the policies; by default each keeps its own.
        expected: Expected tokens of each LLM action, for the policies.
        seed: Seed of the edits and of the sampling.
        reward: The reward that scores the answers to unedited matrices.
        judges: The judges that grade those answers.
    """

    model: str
    questions: Files
    limit: PositiveInt = 60
    served: str | None = None
    tokenizer: str | None = None
    instruct: Instruct = "short"
    game: GameSource | None = None
    opening: str = SteeringSettings.model_fields["opening"].default
    policies: tuple[PolicySource, ...] = ("subscription", "per-token")
    utility_of_money: NonNegativeFloat | None = None
    expected: dict[str, ActionTokens] | None = None
    seed: NonNegativeInt = 0
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()

    def priced(self) -> list[Policy]:
        """Return the pricing policies.

        Raises:
            ConfigError: A policy is unknown, or its file is wrong.
        """
        policies = [load_policy(name) for name in self.policies]
        if self.utility_of_money is None:
            return policies
        change = {"utility_of_money": self.utility_of_money}
        return [policy.model_copy(update=change) for policy in policies]
