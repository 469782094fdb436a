"""Configuration of a cold start."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from gtalign.chain import BLOCKS
from gtalign.config import Config, Files, Share
from gtalign.endpoints import EndpointSettings
from gtalign.game.file import GameSource
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig
from gtalign.steering.policy import PolicySource

Block = Literal["thinking", "payoff", "analyze", "response"]
Constraint = Literal["auto", "json_schema", "structured_outputs", "guided_json", "grammar", "none"]

_LIMITS = ("key_env", "concurrency", "requests_per_minute", "timeout", "attempts", "prices")


class TeacherSettings(EndpointSettings):
    """An endpoint that serves as a teacher: an `EndpointSettings` with two more keys.

    Keys:
        tries: Most requests for one part, if replies cannot be used.
        payoff: Constraint on the form of the payoff: ``json_schema`` (``response_format``, as on
            most servers), ``structured_outputs`` or ``guided_json`` (vLLM's own keys, new and old),
            ``grammar`` (llama.cpp's GBNF), ``none`` (described in words, read tolerantly), or
            ``auto``: ``json_schema``, unless the server refuses it.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, Field(gt=0)] = 2048
    tries: PositiveInt = 2
    payoff: Constraint = "auto"


class SelectionSettings(Config):
    """Which candidates are kept: of each question, the one with the highest mutual welfare W.

    Keys:
        min_welfare: Least W of a candidate that is kept.
        min_quality: Least answer quality of a candidate that is kept.
        action_share: Largest share of the kept candidates that may choose the same action of the
            LLM. Above it, the next best candidate of a question replaces its best where that costs
            least W; then the worst are dropped.
    """

    min_welfare: Share = 0.3
    min_quality: Share = 0.5
    action_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.7


class ColdStartConfig(Config):
    """A cold start: its teachers, its judges, and the rule for which chains are kept.

    Keys:
        questions: Files of questions, parquet or JSON Lines.
        limit: Most questions in total, from the beginning; all by default.
        candidates: Number of chains to write for each question.
        instruct: Whether the rows to learn from begin with our system message with the instruction
            for the chain; a small student from scratch learns without it.
        game: The game that chains are about: a file, or the name of one that comes with the
            package; by default that of one assistant turn.
        teachers: Endpoints by names that you choose.
        blocks: The teacher of each part (``thinking``, ``payoff``, ``analyze``, ``response``), by
            name. The teacher of ``thinking``, or else the first, writes all other parts.
        tokenizer: Folder or name of the student's tokenizer, which counts lengths; by default
            words are counted.
        reward: The reward that scores the candidates.
        judges: The judges that grade the responses. Without a cache of their own, replies are kept
            in the run directory.
        selection: Which candidates are kept.
        edits: Number of edited matrices for each kept chain, to learn from in ``edited.jsonl`` and
            ``pairs.jsonl``; they ask no teacher.
        drills: Number of matrices to solve, to learn from in ``drills.jsonl``; likewise.
        policies: Names of pricing policies, or files: for each kept chain and each of them, a chain
            with the policy in its prompt to learn from in ``told.jsonl``; likewise.
        workers: Candidates under way at once; each teacher has limits of its own.
        max_failed: Largest share of the latest ``window`` candidates that may fail; above it, the
            run stops.
        window: Number of latest candidates for ``max_failed``.
    """

    questions: Files
    limit: PositiveInt | None = None
    candidates: PositiveInt = 9
    instruct: bool = True
    game: GameSource | None = None
    teachers: Annotated[dict[str, TeacherSettings], Field(min_length=1)]
    blocks: dict[Block, str] = Field(default_factory=dict)
    tokenizer: str | None = None
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    selection: SelectionSettings = SelectionSettings()
    edits: NonNegativeInt = 1
    drills: NonNegativeInt = 0
    policies: tuple[PolicySource, ...] = ()
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
        """Return the settings that determine the text and the score of a candidate.

        Runs with equal ones can share a directory: limits, prices, the selection and what is made
        of the kept chains may differ.
        """
        facts = self.model_dump(mode="json")
        for name in (
            "selection",
            "limit",
            "candidates",
            "instruct",
            "edits",
            "drills",
            "policies",
            "workers",
            "max_failed",
            "window",
        ):
            del facts[name]
        if self.game is None:  # as in the directories of before there were others
            del facts["game"]
        for endpoint in (*facts["teachers"].values(), *facts["judges"]["endpoints"].values()):
            for name in _LIMITS:
                del endpoint[name]
        return facts
