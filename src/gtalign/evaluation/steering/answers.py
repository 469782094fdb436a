"""Answers to questions under several policies, written as transcripts."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from pathlib import Path

from gtalign.evaluation.steering.transcript import steered_transcript
from gtalign.steering import (
    Ask,
    Policy,
    Sampling,
    Steered,
    Steering,
    SteeringSettings,
    answers,
)
from gtalign.steering.opening import OpenedBackend
from gtalign.tasks import Question
from gtalign.transcripts import TranscriptWriter


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

    Raises:
        SteeringError: An answer cannot be steered, or the engine failed.
        StorageError: A transcript cannot be written.
    """
    with ExitStack() as stack:
        writer = None if out is None else stack.enter_context(TranscriptWriter(out))
        for question in questions:
            ask = Ask(question.messages, max_tokens, sampling)
            for policy in policies:
                steering = Steering(opened.backend, policy, settings, model=opened.model)
                for answer in await answers(steering, ask, count):
                    if writer is not None:
                        seed = sampling.seed
                        writer.write(
                            steered_transcript(answer, question, model=opened.model, seed=seed)
                        )
                    yield question, answer
