"""Steered answers as transcripts, and the tokens of each action as transcripts record them."""

from collections.abc import Iterable

from gtalign.steering.answer import Steered
from gtalign.steering.expected import TokenHistory
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


def token_history(transcripts: Iterable[Transcript]) -> TokenHistory:
    """Return how many tokens each action took in the transcripts of steered answers.

    The model is the decision's, or else the transcript's. A transcript does not count if it has no
    decision, or if its action or its number of tokens is unknown.

    Raises:
        DataError: A number of tokens is negative or absurdly large.
    """
    history = TokenHistory()
    for transcript in transcripts:
        decision = transcript.decision or {}
        action, total = decision.get("acted"), transcript.tokens.get("total")
        if isinstance(action, str) and total is not None:
            history.add(str(decision.get("model") or transcript.model), action, total)
    return history
