"""Settings of an evaluation."""

from typing import Annotated, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from gtalign.config import Config, Files, Share
from gtalign.endpoints import EndpointSettings
from gtalign.game.file import GameSource
from gtalign.judges import JudgesConfig
from gtalign.models.memory import ModelSize
from gtalign.models.names import is_url
from gtalign.reward import RewardConfig


class AskIfWorth(Config):
    """When to ask back instead of answering (`gtalign.evaluation.asking`).

    Keys:
        drafts: Short answers that the model drafts of each question.
        worth: Points that a right answer is worth; a wrong one, and none, are worth nothing.
        cost: Points that question and reply cost user and LLM together.
        replies: Share of the users who reply to a question; the others leave.
    """

    drafts: Annotated[int, Field(ge=2, le=64)] = 8
    worth: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    cost: Annotated[float, Field(ge=0, le=1e6)] = 0.2
    replies: Share = 0.9


class EvalRun(Config):
    """A run of evaluation.

    Keys:
        questions: Files of questions.
        limit: Most questions in total, from the beginning; all by default.
        model: A model to load here: a folder, a name on a hub, ``gguf:FILE``, or ``package:NAME``
            for an installed package with a GGUF file; or
        server: an OpenAI-compatible endpoint that serves one.
        tokenizer: Folder or name of the tokenizer that counts lengths; by default that of
            ``model``, and words for a server.
        name: Name of the model in the transcripts; by default ``model`` or the server's.
        instruct: Whether the model gets our system message with the instruction for the chain.
        game: The game that chains are about: a file, or the name of one that comes with the
            package; by default that of one assistant turn.
        asking: If given, the model asks back where its own drafts say that a reply is worth more
            than it costs, and answers otherwise. It takes ``drafts + 1`` answers to a question.
        batch: Questions answered at once by a model loaded here.
        max_tokens: Longest answer of a model loaded here.
        max_prompt: Longest prompt in tokens, for the dry run's memory; longer ones are not cut.
        temperature: Temperature of the sampling; 0 takes the likeliest token.
        seed: Seed of the sampling; written into the transcripts.
        gpu: Whether the model runs on a GPU.
        reward: The reward that scores the answers.
        judges: The judges that grade the answers.
        max_failed: Largest accepted share of judged answers without a score: among the latest
            ``window``, and at the end among all.
        window: Number of latest answers for ``max_failed``.
        size: Sizes of a network loaded here, for the dry run.
    """

    questions: Files
    limit: PositiveInt | None = None
    model: str | None = None
    server: EndpointSettings | None = None
    tokenizer: str | None = None
    name: str | None = None
    instruct: bool = True
    game: GameSource | None = None
    asking: AskIfWorth | None = None
    batch: PositiveInt = 32
    max_tokens: PositiveInt = 2048
    max_prompt: PositiveInt = 1024
    temperature: NonNegativeFloat = 1.0
    seed: NonNegativeInt = 0
    gpu: bool = False
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    max_failed: Share = 0.5
    window: PositiveInt = 64
    size: ModelSize | None = None

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.model is None) == (self.server is None):
            raise ValueError("give model or server: one of the two answers the questions")
        if self.model is not None and is_url(self.model):
            raise ValueError("model is the address of a server: give it as server.url")
        return self

    @model_validator(mode="after")
    def _draws_drafts(self) -> Self:
        if self.asking is None:
            return self
        if self.reward.chain:
            raise ValueError("asking is about plain answers: reward.chain has to be false")
        drawn = self.temperature if self.server is None else self.server.temperature
        if not drawn:
            raise ValueError("asking compares drafts, which are all alike at a temperature of 0")
        return self

    @property
    def label(self) -> str:
        """Name of the model in the transcripts."""
        served = "" if self.server is None else self.server.model
        return self.name or self.model or served
