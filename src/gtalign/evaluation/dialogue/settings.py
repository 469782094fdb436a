"""Settings of conversations with simulated users."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Files
from gtalign.dialogue import UserSettings
from gtalign.dialogue.played import Arm
from gtalign.dialogue.settings import UserName
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import GameSource, load_game
from gtalign.models.names import is_url
from gtalign.steering import Mode
from gtalign.steering.policy import PolicySource
from gtalign.steering.settings import Instruct, SteeringSettings

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ConverseRun(Config):
    """A run of `gtalign converse`.

    Keys:
        model: A checkpoint folder, ``gguf:FILE``, ``package:NAME``, or the address of a server or
            a gateway.
        questions: Files of questions.
        limit: Most questions in total, from the beginning; those whose goal is not known do not
            count.
        served: Name of the model on the server; by default the first that it lists.
        name: Name of the model in the transcripts; by default its own.
        tokenizer: Folder of a tokenizer: it counts tokens, and renders prompts for a server that
            continues plain text only. By default that of a checkpoint; for a server, words count.
        instruct: The instruction for the chain, as for steering; ``none`` for a model that was
            trained to write chains without it.
        opening: Text with which ``enforce`` begins the analysis, as for steering; also where an
            action is forced.
        mode: How the answers are steered: ``observe`` changes nothing.
        policy: The pricing policy for the other modes; a name or a file.
        game: The game that chains and answers are about: a file, or the name of one that comes
            with the package. By default that of one assistant turn.
        users: The simulated users, by name.
        arms: ``baseline``: one answer to the question as asked; ``full``: the question with nothing
            left out; ``ask``: the question as asked, and the user replies.
        turns: Most answers of the assistant in a conversation.
        repeats: Conversations on each question, with other chances.
        matrix: Questions whose payoff matrix is played: each action is forced; 0 for none.
        plays: Conversations for each cell of such a matrix.
        temperature: Temperature of the assistant's sampling; 0 takes the likeliest token.
        max_tokens: Most tokens of an answer.
        workers: Conversations under way at once.
        batch: Messages that a model in this process continues at once.
        timeout: Seconds that an answer of a server may take, and a reply of a user with all its
            repetitions.
        attempts: How often a request for an answer is sent to a server at most.
        seed: Seed of users and answers.
    """

    model: str
    questions: Files
    limit: PositiveInt = 200
    served: str | None = None
    name: str | None = None
    tokenizer: str | None = None
    instruct: Instruct = "short"
    opening: str = SteeringSettings.model_fields["opening"].default
    mode: Mode = "observe"
    policy: PolicySource | None = None
    game: GameSource | None = None
    users: Annotated[dict[UserName, UserSettings], Field(min_length=1)] = Field(
        default_factory=lambda: {"scripted": UserSettings()}
    )
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = ("baseline", "full", "ask")
    turns: PositiveInt = 4
    repeats: PositiveInt = 1
    matrix: NonNegativeInt = 0
    plays: PositiveInt = 4
    temperature: NonNegativeFloat = 0.7
    max_tokens: PositiveInt = 1024
    workers: PositiveInt = 64
    batch: PositiveInt = 32
    timeout: Seconds = 300.0
    attempts: PositiveInt = 4
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _has_a_policy_to_steer_by(self) -> Self:
        if (self.mode == "observe") != (self.policy is None):
            raise ValueError(
                "a policy is for the modes advise and enforce, and those need one; give both, or"
                " neither"
            )
        return self

    @model_validator(mode="after")
    def _users_play_its_game(self) -> Self:
        form = self.form
        for name, user in self.users.items():
            if user.plays is None:
                if self.matrix and form != USER_LLM:
                    raise ValueError(
                        f"users.{name}: matrix needs to know which action of the game this user"
                        f" plays: plays is one of {', '.join(form.user_actions)}"
                    )
            elif form == USER_LLM:
                raise ValueError(
                    f"users.{name}.plays is for another game; in this one the question itself is"
                    " vague or detailed"
                )
            elif user.plays not in form.user_actions:
                known = ", ".join(form.user_actions)
                raise ValueError(f"users.{name}.plays: {user.plays!r} is not one of {known}")
        return self

    @property
    def form(self) -> GameForm:
        """The game."""
        return load_game(self.game)

    @property
    def asks_plainly(self) -> bool:
        """Whether a server is asked for whole answers: nothing is steered, forced or continued."""
        trained = self.instruct in ("none", "full")
        return is_url(self.model) and self.mode == "observe" and not self.matrix and not trained
