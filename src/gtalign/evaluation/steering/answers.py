"""Answers to questions under several policies, written as transcripts."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtalign.evaluation.steering.transcript import steered_transcript
from gtalign.game import USER_LLM, GameForm
from gtalign.steering import (
    Ask,
    Policy,
    Sampling,
    Steered,
    Steering,
    SteeringSettings,
    answers,
    open_backend,
)
from gtalign.steering.opening import OpenedBackend
from gtalign.tasks import Question
from gtalign.transcripts import TranscriptWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """A model to open.

    Args:
        source: A checkpoint, or the address of a model server.
        served: Name of the model on the server; None for its only one.
        tokenizer: Folder of a tokenizer for a server that continues plain text; None for none.
        reask: Whether a server that cannot continue an edited text is asked again.
    """

    source: str
    served: str | None = None
    tokenizer: Path | None = None
    reask: bool = False


def answer_questions(
    opening: Opening,
    policies: Sequence[Policy],
    settings: SteeringSettings,
    questions: Sequence[Question],
    show: Callable[[Question, Steered], None],
    **how: Any,
) -> None:
    """Open a model, answer every question under every policy, and close it.

    Args:
        opening: The model.
        policies: As for `steered_answers`.
        settings: As for `steered_answers`.
        questions: As for `steered_answers`.
        show: Takes each answer when it is written.
        how: Further arguments of `steered_answers`.

    Raises:
        ConfigError: The model cannot be opened.
        SteeringError: An answer cannot be steered, or the engine failed.
        StorageError: A transcript cannot be written.
    """

    async def answer_all() -> None:
        opened = await open_backend(
            opening.source,
            model=opening.served,
            tokenizer=opening.tokenizer,
            fallback_reask=opening.reask,
        )
        log.info("steering %s", opened.backend.name)
        written = steered_answers(opened, policies, settings, questions, **how)
        async with aclosing(opened.backend), aclosing(written):
            async for question, answer in written:
                show(question, answer)

    asyncio.run(answer_all())


async def steered_answers(
    opened: OpenedBackend,
    policies: Sequence[Policy],
    settings: SteeringSettings,
    questions: Sequence[Question],
    *,
    sampling: Sampling,
    max_tokens: int,
    count: int = 1,
    out: Path | None = None,
    form: GameForm = USER_LLM,
) -> AsyncGenerator[tuple[Question, Steered], None]:
    """Answer every question under every policy; yield each answer when it is written.

    Args:
        opened: The backend that writes.
        policies: The pricing policies, applied one after the other.
        settings: How answers are steered.
        questions: The questions to answer.
        sampling: How tokens are drawn.
        max_tokens: Most tokens of an answer.
        count: Number of answers to each question under each policy; their seeds are consecutive.
        out: Transcripts are appended to this file; None for none.
        form: The game.

    Raises:
        ConfigError: A policy, or the instruction, does not fit the game.
        SteeringError: An answer cannot be steered, or the engine failed.
        StorageError: A transcript cannot be written.
    """
    for policy in policies:
        policy.check(form)
    with ExitStack() as stack:
        writer = None if out is None else stack.enter_context(TranscriptWriter(out))
        for question in questions:
            ask = Ask(question.messages, max_tokens, sampling)
            for policy in policies:
                steering = Steering(opened.backend, policy, settings, model=opened.model, form=form)
                for answer in await answers(steering, ask, count):
                    if writer is not None:
                        seed = sampling.seed
                        writer.write(
                            steered_transcript(answer, question, model=opened.model, seed=seed)
                        )
                    yield question, answer
