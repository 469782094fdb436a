"""Configuration of a cold start."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gtalign.chain import BLOCKS
from gtalign.config import Config, Files, Share
from gtalign.endpoints import EndpointSettings
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig

Block = Literal["thinking", "payoff", "analyze", "response"]
Constraint = Literal["auto", "json_schema", "structured_outputs", "guided_json", "grammar", "none"]

_LIMITS = ("key_env", "concurrency", "requests_per_minute", "timeout", "attempts", "prices")


class TeacherSettings(EndpointSettings):
    """An endpoint that serves as a teacher; it has two more keys than `EndpointSettings`.

    Keys:
        tries: Number of times to ask for a part until its text can be used.
        payoff: How the server is made to keep the form of the payoff block: ``json_schema``
            (``response_format``, which most servers have), ``structured_outputs`` or
            ``guided_json`` (vLLM's new and old key), ``grammar`` (llama.cpp's GBNF), ``none`` (the
            prompt asks for the form, and reading is tolerant), or ``auto``: ``json_schema``, or
            ``none`` if the server refuses it.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, Field(gt=0)] = 2048
    tries: PositiveInt = 2
    payoff: Constraint = "auto"


class SelectionSettings(Config):
    """Which candidates are kept: of each question, the one with the highest mutual welfare W.

    Keys:
        min_welfare: Lowest W of a kept candidate.
        min_quality: Lowest answer quality of a kept candidate.
        action_share: Largest share of the kept candidates that may choose the same LLM action.
            If a larger share does, the next best candidates of some questions replace them, those
            first that cost the least W; if that is not enough, the worst are dropped.
    """

    min_welfare: Share = 0.3
    min_quality: Share = 0.5
    action_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.7


class ColdStartConfig(Config):
    """A cold start: teachers write chains, judges grade them, and the best are kept.

    Keys:
        questions: Files of questions, parquet or JSON Lines.
        limit: Number of questions to take, from the beginning; all by default.
        candidates: Number of chains that the teachers write for each question.
        instruct: Whether the training rows begin with our system message, which asks for the
            chain; a small student from scratch learns without it.
        teachers: Endpoints that serve teacher models, each under a name of your choice.
        blocks: Name of the teacher of each part (``thinking``, ``payoff``, ``analyze``,
            ``response``). The teacher of ``thinking`` writes the parts that are not named; without
            one, the first teacher does.
        tokenizer: Folder or name of the student's tokenizer, which counts lengths; by default
            lengths are counted in words.
        reward: Reward that scores the candidates.
        judges: Judges that grade the responses. If they have no cache, their replies are kept in
            the run directory.
        selection: Which candidates are kept.
        workers: Number of candidates written at once; each teacher has limits of its own.
        max_failed: The run stops if a larger share of the latest ``window`` candidates fails.
        window: Number of latest candidates over which ``max_failed`` is counted.
    """

    questions: Files
    limit: PositiveInt | None = None
    candidates: PositiveInt = 9
    instruct: bool = True
    teachers: Annotated[dict[str, TeacherSettings], Field(min_length=1)]
    blocks: dict[Block, str] = Field(default_factory=dict)
    tokenizer: str | None = None
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    selection: SelectionSettings = SelectionSettings()
    workers: PositiveInt = 256
    max_failed: Share = 0.5
    window: PositiveInt = 256

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for block, name in self.blocks.items():
            if name not in self.teachers:
                known = ", ".join(self.teachers)
                raise ValueError(f"blocks.{block}: no teacher {name!r}; known are {known}")
        used = {self.teacher_of(block) for block in BLOCKS}
        if self.candidates > 1 and all(self.teachers[name].temperature == 0 for name in used):
            raise ValueError(
                f"candidates = {self.candidates} needs a teacher that varies; all of them have"
                " temperature 0"
            )
        if not self.reward.chain:
            raise ValueError("reward.chain: what teachers write here are chains")
        return self

    def teacher_of(self, block: str) -> str:
        """Return the name of the teacher that writes a part."""
        first = self.blocks.get("thinking", next(iter(self.teachers)))
        return next((name for part, name in self.blocks.items() if part == block), first)

    def identity(self) -> dict[str, Any]:
        """Return what determines the text and the score of a candidate.

        Runs that share it can share a directory: limits, prices and what is kept may change.
        """
        facts = self.model_dump(mode="json")
        for name in (
            "selection",
            "limit",
            "candidates",
            "instruct",
            "workers",
            "max_failed",
            "window",
        ):
            del facts[name]
        for endpoint in (*facts["teachers"].values(), *facts["judges"]["endpoints"].values()):
            for name in _LIMITS:
                del endpoint[name]
        return facts
