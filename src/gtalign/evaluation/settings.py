"""Settings of an evaluation."""

from typing import Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Files, Share
from gtalign.endpoints import EndpointSettings
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig
from gtalign.training.memory import ModelSize


class EvalRun(Config):
    """A run of evaluation.

    Keys:
        questions: Files of questions.
        limit: Number of questions to take in total, from the beginning; all by default.
        model: Folder or name of a model that this process loads; give ``model`` or ``server``.
        server: OpenAI-compatible endpoint that serves the model.
        tokenizer: Folder or name of the tokenizer that counts lengths; by default that of
            ``model``. For a server, lengths are counted in words by default.
        name: Name of the model in the transcripts; by default that of ``model`` or of the server's
            model.
        instruct: Whether the prompt begins with our system message, which asks for the chain.
        batch: Number of questions that a model loaded here answers at once.
        max_tokens: Longest answer of a model loaded here, in tokens.
        max_prompt: Longest prompt in tokens. Only the dry run uses it, to compute the memory; a
            run does not cut longer prompts.
        temperature: Sampling temperature of a model loaded here; 0 takes the likeliest token.
        seed: Seed of its sampling; also written into the transcripts.
        gpu: Whether a model loaded here runs on a GPU.
        reward: Reward that scores the answers.
        judges: Judges that grade the answers.
        max_failed: The run stops if a larger share of the latest ``window`` judged answers has no
            score; at the end, the same limit holds for all answers.
        window: Number of latest judged answers over which ``max_failed`` is counted.
        size: Sizes of a network loaded here, which the dry run needs.
    """

    questions: Files
    limit: PositiveInt | None = None
    model: str | None = None
    server: EndpointSettings | None = None
    tokenizer: str | None = None
    name: str | None = None
    instruct: bool = True
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
        return self

    @property
    def label(self) -> str:
        """Name of the model in the transcripts."""
        served = "" if self.server is None else self.server.model
        return self.name or self.model or served
