"""Reinforcement learning over whole conversations, as TRL's GRPO trainer takes it.

TRL lets an environment answer only where the model calls a tool. An assistant that asks back in
plain words calls none, so conversations are a rollout function: it plays every conversation of a
step with a simulated user, and the tokens of the user are masked out of the loss. The reward is a
measure of the whole conversation (`gtalign.dialogue.measures`).
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from gtalign.dialogue import Match, Played, Rules, play
from gtalign.dialogue.measures import MEASURES, welfare
from gtalign.errors import TrainingError, UserError
from gtalign.judges.failures import Failure, Failures, shares
from gtalign.models.model import LocalModel
from gtalign.tasks import Message, Question
from gtalign.training.actor import Actor, Course, Give
from gtalign.training.rollouts import RewardFunction
from gtalign.training.settings import RLSettings
from gtalign.transcripts import Transcript, TranscriptWriter

__all__ = ["Conversations", "conversation_spec", "measure_reward"]

MatchOf = Callable[[Question, int], Match]
"""Takes a question and the number of a conversation in the run; returns who talks about what.

Facts that the model cannot see are drawn anew for each conversation, also within a group: if all
conversations of a group had the same, the group would teach what to do if one knew them."""


@dataclass
class Conversations:
    """A rollout function for TRL's GRPO trainer: it plays conversations.

    It returns what the trainer asks for, ``played``, the record of each conversation, and
    ``turns``, the answer that each token belongs to (`gtalign.training.actor.Course`).

    Args:
        model: The model that is trained.
        questions: The questions.
        match: Who talks about what.
        rules: How conversations are played.
        max_tokens: Most tokens of an answer.
        temperature: Sampling temperature.
        give: Makes what the model is given at the beginning of a conversation.
        log: A JSON Lines file to append one transcript per conversation to.
        failures: Stops a run with too many failed conversations; None stops it only if all of a
            step failed.

    Raises:
        TrainingError: All conversations of a step failed, the first by the model.
        UserError: All failed, the first by its user; or too many.
    """

    model: LocalModel
    questions: Sequence[Question]
    match: MatchOf
    rules: Rules
    max_tokens: int
    temperature: float
    give: Give = list
    log: Path | None = None
    failures: Failures | None = None

    def __post_init__(self) -> None:
        self._asked: dict[str, list[Question]] = {}
        for question in self.questions:
            self._asked.setdefault(_key(self.prompt(question)), []).append(question)

    def prompt(self, question: Question) -> list[Message]:
        """Return the messages with which a conversation on a question begins for the model."""
        return self.model.chat.fit(self.give(question.messages))

    def __call__(self, prompts: Sequence[Sequence[Message]], trainer: Any) -> dict[str, Any]:
        """Play a conversation for each prompt."""
        step = int(trainer.state.global_step)
        matches = [
            self._match(prompt, step * len(prompts) + number)
            for number, prompt in enumerate(prompts)
        ]
        actor = Actor(
            self.model,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            give=self.give,
        )
        ended = asyncio.run(self._play(matches, actor))
        courses = [_whole(actor.courses[match.id], self.model) for match in matches]
        played = [one for one, _ in ended]
        if self.log is not None:
            with TranscriptWriter(self.log, keep_ids=False) as writer:
                for one, transcript in ended:
                    writer.write(_scored(one, transcript, step))
        if self.failures is not None:
            self.failures.add([_failure(one) for one in played])
        if all(one.end == "failed" for one in played):
            said = f"all {len(played)} conversations of a step failed: {played[0].problem}"
            if played[0].failed == "user":
                raise UserError(said, "user")
            raise TrainingError(said)
        return {
            "prompt_ids": [course.prompt for course in courses],
            "completion_ids": [course.ids for course in courses],
            "logprobs": None,
            "env_mask": [[int(turn > 0) for turn in course.turns] for course in courses],
            "played": played,
            "turns": [course.turns for course in courses],
        }

    def _match(self, prompt: Sequence[Message], number: int) -> Match:
        """Of questions that the model is asked in the same words, any may be meant."""
        same = self._asked[_key(prompt)]
        match = self.match(same[number % len(same)], number)
        return replace(match, repeat=number)

    async def _play(
        self, matches: Sequence[Match], actor: Actor
    ) -> list[tuple[Played, Transcript]]:
        ended: dict[str, tuple[Played, Transcript]] = {}

        async def one(match: Match) -> None:
            ended[match.id] = await play(match, actor, self.rules)

        try:
            await actor.together([one(match) for match in matches])
        finally:
            # Connections belong to the event loop of this step.
            for user in {id(match.user): match.user for match in matches}.values():
                if (close := getattr(user, "aclose", None)) is not None:
                    await close()
        return [ended[match.id] for match in matches]


def conversation_spec(
    model: LocalModel,
    questions: Sequence[Question],
    match: MatchOf,
    rewards: Sequence[str | RewardFunction],
    settings: RLSettings,
    rules: Rules,
    *,
    give: Give = list,
    log: Path | None = None,
    failures: Failures | None = None,
) -> dict[str, Any]:
    """Return what TRL's GRPO trainer needs to train on conversations, by its parameters' names.

    ``GRPOTrainer(model.network, args=..., processing_class=..., **conversation_spec(...))``

    Args:
        model: Model to train.
        questions: Questions with which conversations begin.
        match: Who talks about what.
        rewards: Names of measures of a conversation (see `measure_reward`), or rewards of your
            own, which take the column ``played``.
        settings: Settings of the stage.
        rules: How conversations are played.
        give: Makes what the model is given at the beginning of a conversation; by default the
            question's bare messages.
        log: A JSON Lines file to append one transcript per conversation to.
        failures: As for `Conversations`.

    Raises:
        TrainingError: The model's chat template cannot be trained with, or refuses a prompt.
        UserError: Too many conversations failed; raised in training.
    """
    model.chat.check()
    rollouts = Conversations(
        model,
        questions,
        match,
        rules,
        max_tokens=settings.max_completion,
        temperature=settings.temperature,
        give=give,
        log=log,
        failures=failures,
    )
    return {
        "train_dataset": Dataset.from_list([{"prompt": rollouts.prompt(q)} for q in questions]),
        "rollout_func": rollouts,
        "reward_funcs": [measure_reward(r) if isinstance(r, str) else r for r in rewards],
    }


def measure_reward(name: str) -> RewardFunction:
    """Return the reward that is a measure of the whole conversation.

    A conversation that failed, or whose measure is unknown, has the reward None: TRL leaves it out
    of its group. The means of all measures are logged.

    Args:
        name: A measure of `gtalign.dialogue.measures`, such as ``welfare``.
    """
    measure = MEASURES[name]

    async def rewarded(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        played: Sequence[Played],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        if log_metric is not None:
            for key, value in means(played).items():
                log_metric(key, value)
        found = [None if one.end == "failed" else measure.of(one) for one in played]
        return [None if parts is None else parts[0] / parts[1] for parts in found]

    rewarded.__name__ = name
    return rewarded


def means(played: Sequence[Played]) -> dict[str, float]:
    """Return the mean of each measure over conversations, and the share of each failure."""
    known = [one for one in played if one.end != "failed"]
    found = shares([_failure(one) for one in played])
    for name, measure in MEASURES.items():
        parts = [one for one in map(measure.of, known) if one is not None]
        if parts:
            top, bottom = np.sum(parts, axis=0)
            found[f"conversation/{name}"] = float(top / bottom)
    return found


def _key(messages: Sequence[Message]) -> str:
    return json.dumps([(message["role"], message["content"]) for message in messages])


def _whole(course: Course, model: LocalModel) -> Course:
    """The course; one without an answer gets an end that nobody learns, as TRL needs a token."""
    if not course.ids:
        course.hear([model.chat.tokenizer.eos_token_id])
    return course


def _failure(played: Played) -> Failure | None:
    if played.end != "failed":
        return None
    return Failure(f"{played.failed}", played.problem or "failed", broken=True)


def _scored(played: Played, transcript: Transcript, step: int) -> Transcript:
    """The transcript of a conversation with its welfare, as logs and reports read it."""
    found = None if played.end == "failed" else welfare(played)
    extra = {**transcript.extra, "step": step}
    if found is None:
        return replace(transcript, split="train", extra=extra)
    user, llm, mutual = found
    return replace(
        transcript,
        split="train",
        user_welfare=user,
        llm_welfare=llm,
        mutual_welfare=mutual,
        unscored=None,
        extra={**extra, "reward": mutual},
    )
