"""Configuration of a judge that answers over HTTP, and of a criterion of one's own."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gtalign.config import Beside, Config, Share
from gtalign.endpoints.settings import EndpointSettings
from gtalign.judges.criterion import Criterion
from gtalign.tasks import DIRECT, task_named

LONGEST_PROMPT = 100_000
"""Most characters of a criterion's instructions."""


class JudgeSettings(EndpointSettings):
    """An endpoint that serves as a judge; repeated judging needs a temperature above 0.

    Keys:
        max_chars: Longest text in one block; the middle of a longer one is cut out.
        structured: Form of the verdicts: ``json_schema`` (the server enforces it), ``tagged``, or
            ``auto``: the schema, unless the server refuses it with 400, 422, or an error that names
            it.
    """

    max_chars: Annotated[int, Field(ge=100)] = 20_000
    structured: Literal["auto", "json_schema", "tagged"] = "auto"


def _readable(file: Path) -> Path:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ValueError(
            f"{file}: cannot be read: {reason}; it is looked for beside the configuration, then in"
            " the current folder"
        ) from None
    if not text.strip() or len(text) > LONGEST_PROMPT:
        raise ValueError(f"{file}: instructions have 1 to {LONGEST_PROMPT:,} characters")
    return file


class CriterionSettings(Config):
    """A criterion of your own: how a model grades the answers of one task.

    Keys:
        prompt: A text file with the instructions: what to look at, and what each score means. Leave
            out the form of the reply. It is looked for beside the configuration.
        scale: Every score that the model may give.
        quality: Quality of an answer for each score of ``scale``, from 0 to 1; by default the
            smallest score is 0, the largest is 1, and the others lie between in proportion.
        reference: Whether the model sees the question's ground truth.
    """

    prompt: Annotated[Beside, AfterValidator(_readable)]
    scale: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=2)]
    quality: tuple[Share, ...] | None = None
    reference: bool = False

    @model_validator(mode="after")
    def _has_a_quality_for_each_score(self) -> Self:
        if len(set(self.scale)) < len(self.scale):
            raise ValueError("scale: a score is named twice")
        if self.quality is not None and len(self.quality) != len(self.scale):
            raise ValueError(
                f"quality: {len(self.quality)} numbers for the {len(self.scale)} scores of scale"
            )
        return self

    def criterion(self, task: str) -> Criterion:
        """Return the criterion.

        A task that is registered in Python says itself what quality a score means.

        Args:
            task: Name of the task, which the criterion gets too.
        """
        quality, low, high = self.quality, min(self.scale), max(self.scale)
        if quality is None and task_named(task) is DIRECT:
            quality = tuple((score - low) / (high - low) for score in self.scale)
        text = self.prompt.read_text(encoding="utf-8").strip()
        return Criterion(task, self.scale, self.reference, quality=quality, text=text)
