"""Steered answers as transcripts."""

from gtalign.steering.answer import Steered
from gtalign.tasks import Question
from gtalign.transcripts import Transcript


def steered_transcript(
    answer: Steered, question: Question, *, model: str, seed: int | None = None
) -> Transcript:
    """Return a steered answer as a transcript without a score, with the record of its decision.

    Args:
        answer: The finished answer.
        question: The question.
        model: Name of the model that answered.
        seed: Seed of the run; None if unknown.
    """
    return Transcript(
        id=question.id,
        task=question.task,
        completion=answer.text,
        split=str(question.extra.get("split", "")),
        cluster=question.cluster,
        seed=seed,
        model=model,
        prompt=question.messages,
        ground_truth=question.ground_truth,
        chain=None if answer.chain is None else answer.chain.to_json(),
        chain_error=answer.decision.reason if answer.chain is None else None,
        tokens={"total": answer.tokens},
        unscored="not judged",
        extra=question.extra,
        decision=answer.decision.to_json(),
    )
