"""Policies told in a line of the prompt, against edits of the matrix, measured by the truth.

Each question has a known true matrix, so it is known what is right under a policy: the true matrix,
edited and fitted as steering edits a stated one, recommends it. A *flip* is a question where that
is another action than without the policy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from gtalign.config import Config
from gtalign.errors import DataError
from gtalign.evaluation.faithfulness.answers import Subject, written_or_why
from gtalign.game import Bimatrix
from gtalign.judges.batch import work_through
from gtalign.steering import (
    ActionTokens,
    Ask,
    Policy,
    Sampling,
    Steering,
    edit,
    fit,
    prior_for,
    recommend,
)
from gtalign.steering.backend import Batching
from gtalign.tasks import Question
from gtalign.transcripts import Transcript, TranscriptWriter

Way = Literal["none", "line", "advise", "enforce", "both"]
"""How an answer is to take a policy into account."""

WAYS: Final[Mapping[Way, Mapping[str, Any]]] = {
    "none": {"mode": "observe"},
    "line": {"mode": "observe", "policy_line": True},
    "advise": {"mode": "advise"},
    "enforce": {"mode": "enforce"},
    "both": {"mode": "advise", "policy_line": True},
}
"""The settings of steering of each way."""

FACTS: Final = "priced"
"""Key of ``extra`` under which a transcript says what is right under its policy."""


class PricedSettings(Config):
    """How policies in the prompt are compared with edits of the matrix.

    Keys:
        questions: Most questions, a sample of the test set in distribution; 0 for no comparison.
        ways: ``none`` does not take the policy into account; ``line`` names it in the prompt;
            ``advise`` and ``enforce`` edit the matrix; ``both`` does what ``line`` and ``advise``
            do, so a model that knows the line's prices charges twice.
        temperature: Temperature of the sampling; 0 takes the likeliest token.
        max_tokens: Most tokens of an answer.
        batch: Answers that are written at once.
        prompt_tokens: Tokens of a question, by which quotas and prices of read tokens are counted
            when it is worked out what is right.
    """

    questions: NonNegativeInt = 40
    ways: Annotated[tuple[Way, ...], Field(min_length=1)] = tuple(WAYS)
    temperature: NonNegativeFloat = 0.0
    max_tokens: PositiveInt = 480
    batch: PositiveInt = 64
    prompt_tokens: NonNegativeInt = 80


@dataclass(frozen=True, slots=True)
class _Case:
    """One answer that is to be written."""

    question: Question
    kind: str
    policy: Policy
    way: Way

    @property
    def identity(self) -> str:
        return f"{self.question.id} [{self.policy.name}, {self.way}]"


async def answer_priced(
    subject: Subject,
    questions: Sequence[Question],
    policies: Mapping[str, Sequence[Policy]],
    settings: PricedSettings,
    file: Path,
) -> None:
    """Answer every question under every policy in every way.

    You can stop this at any time; the same call resumes it. Each answer is appended to the file
    when it is written.

    Args:
        subject: The model.
        questions: The questions, with their ``true_payoff``.
        policies: The policies, by the kind of policy that they are.
        settings: The ways and the sampling.
        file: File of transcripts.

    Raises:
        DataError: A question has no true matrix.
        UpstreamError: The engine failed.
        StorageError: An answer cannot be written.
    """
    with TranscriptWriter(file) as writer:
        written = writer.ids()
        every = _cases(questions, policies, settings)
        cases = [case for case in every if case.identity not in written]

        async def write(case: _Case) -> None:
            writer.write(await _answer(subject, case, settings))

        if not isinstance(subject.backend, Batching):
            await work_through(cases, write, settings.batch)
            return
        for start in range(0, len(cases), settings.batch):
            await subject.backend.together(
                [write(c) for c in cases[start : start + settings.batch]]
            )


def _cases(
    questions: Sequence[Question],
    policies: Mapping[str, Sequence[Policy]],
    settings: PricedSettings,
) -> Iterator[_Case]:
    for kind, some in policies.items():
        for policy in some:
            for way in settings.ways:
                yield from (_Case(question, kind, policy, way) for question in questions)


async def _answer(subject: Subject, case: _Case, settings: PricedSettings) -> Transcript:
    question, policy = case.question, case.policy
    steering = Steering(
        subject.backend,
        policy,
        subject.steering.model_copy(update=WAYS[case.way]),
        model=subject.name,
        prior=subject.expected,
    )
    sampling = Sampling(temperature=settings.temperature, seed=subject.seed)
    ask = Ask(question.messages, settings.max_tokens, sampling)
    text, decision = await written_or_why(steering, ask)
    told = Transcript.of(question, text, model=subject.name, seed=subject.seed)
    right = right_under(question, policy, subject.expected, settings.prompt_tokens)
    facts = {"kind": case.kind, "way": case.way, **right}
    return replace(
        told,
        id=case.identity,
        extra={**told.extra, FACTS: facts},
        # Neither random nor dated: equal answers are equal lines.
        decision=replace(decision.timeless(), id=case.identity).to_json(),
        unscored="not judged",
    )


def right_under(
    question: Question,
    policy: Policy,
    expected: Mapping[str, ActionTokens] | None,
    prompt_tokens: int = 0,
) -> dict[str, Any]:
    """Return what is right under a policy, by the true matrix of a question.

    Args:
        question: The question.
        policy: The policy.
        expected: Expected tokens of each LLM action; None for the prior.
        prompt_tokens: Tokens of the prompt.

    Returns:
        ``payoff``, the true matrix under the policy; ``before`` and ``after``, the actions that are
        right without it and under it.

    Raises:
        DataError: The question has no true matrix.
    """
    stated = question.extra.get("true_payoff")
    if not isinstance(stated, Mapping):
        raise DataError(f"question {question.id!r} has no 'true_payoff' to compare with")
    true = Bimatrix.from_json(stated)
    tokens = prior_for(true.form) if expected is None else expected
    exact = edit(true, policy, tokens, prompt_tokens=prompt_tokens)
    priced = fit(exact, decimals=1, low=-5.0, high=5.0).edited
    return {
        "payoff": priced.to_json(),
        "before": recommend(true, policy).action,
        "after": recommend(priced, policy, charges=exact.charges).action,
    }
