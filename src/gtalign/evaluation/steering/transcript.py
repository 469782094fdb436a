"""Steered answers as transcripts."""

from dataclasses import replace

from gtalign.steering.answer import Steered
from gtalign.tasks import Question
from gtalign.transcripts import Transcript
from gtalign.transcripts.games import game_of


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
    return replace(
        Transcript.of(question, answer.text, model=model, seed=seed),
        tokens={"total": answer.tokens},
        unscored="not judged",
        decision=answer.decision.to_json(),
        game=game_of(answer.decision.form),
    )
