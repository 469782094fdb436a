"""A trial of steering: the same questions under several policies, in each way of steering.

A trial shows whether a model obeys. Each arm is a policy and a way of steering. All arms use the
same seed for the same question, so their answers begin with the same text.
"""

import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from gtalign.config import Config
from gtalign.files.replace import write_json
from gtalign.judges import Judge
from gtalign.reward import Reward
from gtalign.steering.answer import Ask
from gtalign.steering.backend import Backend, Sampling
from gtalign.steering.expected import ActionTokens
from gtalign.steering.policy import Policy, PolicySource, load_policy
from gtalign.steering.session import Session
from gtalign.steering.settings import SteeringSettings
from gtalign.steering.steering import Steering
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, Transcript, TranscriptWriter

Way = Literal["observe", "advise", "enforce", "reask"]
"""A mode of steering, or asking again as the released code does."""


class TrialSettings(Config):
    """Settings of a trial.

    Keys:
        policies: Names of policies, or files.
        utility_of_money: Replaces that of the policies: the cost of an answer has to matter next to
            payoffs of a few points, and small models write short answers. None keeps it.
        ways: Ways of steering.
        questions: Most questions, a sample of the test set in distribution; 0 for no trial.
        temperature: Temperature of the sampling.
        max_tokens: Most tokens of an answer.
        expected: Expected tokens of each LLM action.
        opening: Text with which ``enforce`` begins an analysis; by default that of the steering
            settings.
        again: Text that asking again adds; by default that of the steering settings. A small model
            needs words that it knows.
    """

    policies: tuple[PolicySource, ...] = ("subscription", "per-token")
    utility_of_money: NonNegativeFloat | None = None
    ways: tuple[Way, ...] = ("observe", "advise", "enforce", "reask")
    questions: NonNegativeInt = 120
    temperature: NonNegativeFloat = 1.0
    max_tokens: PositiveInt = 480
    expected: dict[str, ActionTokens] | None = None
    opening: str | None = None
    again: str | None = None

    def arms(self) -> list["Arm"]:
        """Return the arms: every policy in every way."""
        return [Arm(p, way, self.settings_of(way)) for p in self._policies() for way in self.ways]

    def sample(self, questions: Sequence[Question]) -> list[Question]:
        """Return the questions of a trial, the same for every seed, in their order."""
        tested = [q for q in questions if q.extra.get("split") == "test"]
        chosen = np.random.default_rng(0).permutation(len(tested))[: self.questions]
        return [tested[i] for i in sorted(chosen)]

    def settings_of(self, way: Way) -> SteeringSettings:
        """Return the settings for a model that was trained on the chain without an instruction."""
        texts = {"opening": self.opening, "again": self.again}
        given: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
        if way != "reask":
            return SteeringSettings(mode=way, instruct="none", **given)
        return SteeringSettings(mode="advise", resume="reask", instruct="none", **given)

    @property
    def worth(self) -> float:
        """Payoff points that one currency unit is worth, by default as policies have it."""
        given = self.utility_of_money
        return Policy.model_fields["utility_of_money"].default if given is None else given

    def _policies(self) -> list[Policy]:
        policies = [load_policy(name) for name in self.policies]
        if self.utility_of_money is None:
            return policies
        change = {"utility_of_money": self.utility_of_money}
        return [policy.model_copy(update=change) for policy in policies]


@dataclass(frozen=True, slots=True)
class Arm:
    """A policy, a way of steering, and its settings."""

    policy: Policy
    way: Way
    settings: SteeringSettings

    @property
    def name(self) -> str:
        """Name of the arm; its transcripts name it as their model."""
        return f"{self.policy.name}, {self.way}"


async def run_trial(
    backend: Backend,
    questions: Sequence[Question],
    settings: TrialSettings,
    folder: Path,
    *,
    reward: Reward,
    judge: Judge,
    seed: int,
) -> None:
    """Answer the questions in every arm; judge and score the answers into ``transcripts.jsonl``.

    You can stop a trial at any time; the same call resumes it. ``seconds.json`` holds the mean
    seconds of an answer by arm, over the answers of this process alone: times differ between runs.

    Raises:
        UpstreamError: The engine failed.
        JudgeError: The judge failed.
        StorageError: A result cannot be written.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    scorer = Scorer(reward, judge, strict=True)
    with TranscriptWriter(folder / "transcripts.jsonl") as writer:
        answers = trial_answers(backend, questions, settings, seed=seed, but=writer.ids())
        async with aclosing(answers):
            async for answer, took in answers:
                seconds[answer.model].append(took)
                [scored] = await scorer.score([answer])
                writer.write(scored.transcript)
    means = {name: sum(took) / len(took) for name, took in seconds.items()}
    if means:
        write_json(folder / "seconds.json", means)


async def trial_answers(
    backend: Backend,
    questions: Sequence[Question],
    settings: TrialSettings,
    *,
    seed: int,
    but: Collection[str] = (),
) -> AsyncGenerator[tuple[Transcript, float], None]:
    """Yield an unscored transcript of each question in each arm, and the seconds that it took.

    Args:
        backend: The backend that writes.
        questions: The questions; the place of each determines the seed of its answers.
        settings: Settings of the trial.
        seed: Seed of the trial.
        but: Ids of the transcripts that are already done.

    Raises:
        UpstreamError: The engine failed.
    """
    arms = settings.arms()
    for number, question in enumerate(questions):
        for arm in arms:
            identity = f"{question.id} [{arm.name}]"
            if identity in but:
                continue
            steering = Steering(backend, arm.policy, arm.settings, prior=settings.expected)
            sampling = Sampling(temperature=settings.temperature, seed=1_000 * seed + number)
            started = time.perf_counter()
            ask = Ask(question.messages, settings.max_tokens, sampling)
            answer = await Session(steering, ask).answer()
            took = time.perf_counter() - started
            unscored = Transcript.of(question, answer.text, model=arm.name, seed=seed)
            # Neither random nor dated: a resumed trial ends with the same file.
            decision = replace(answer.decision.timeless(), id=identity).to_json()
            yield replace(unscored, id=identity, decision=decision), took
