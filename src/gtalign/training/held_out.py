"""Answer and score held-out questions during training."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gtalign.files.lines import LineWriter
from gtalign.judges import Judges
from gtalign.reward import Reward
from gtalign.tasks import Question
from gtalign.training.log import keep_lines
from gtalign.training.processes import Processes
from gtalign.training.reward import means
from gtalign.transcripts import Scored, Scorer, Transcript

log = logging.getLogger(__name__)

Answer = Callable[[Any, Sequence[Question]], list[str]]
"""Model and questions in; completions out."""


class HeldOut(TrainerCallback):  # type: ignore[misc]
    """Writes a line to ``held_out.jsonl`` every so many steps and at the end.

    A line has the ``step``, the mean of each factor and welfare over the questions that know it,
    ``unscored`` and ``malformed`` (shares); a judge that fails leaves its answer unscored, which
    is logged with its cause (``judge_failed/CAUSE``, a share of those judged).
    The random state of training does not change.

    Args:
        questions: Questions to answer.
        answer: Lets the model answer them.
        reward: Scores the answers.
        judges: Grade the responses.
        file: Where lines go.
        every: Steps between two of them.
        team: The processes that train, which share the questions out; by default this one alone.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        answer: Answer,
        reward: Reward,
        judges: Judges,
        file: Path,
        every: int,
        team: Processes | None = None,
    ) -> None:
        self.questions = questions
        self.answer = answer
        self.scorer = Scorer(reward, judges)
        self.judges = judges
        self.file = file
        self.every = every
        self.team = team or Processes()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Keep the lines up to the checkpoint that training resumes from."""
        if self.team.first:
            keep_lines(self.file, lambda line: 0 < line["step"] <= state.global_step)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        """Answer and score, if it is time."""
        if state.global_step % self.every and state.global_step < state.max_steps:
            return
        training = model.training
        own = self.questions[self.team.rank :: self.team.count]
        with torch.random.fork_rng():
            answers = self.team.gathered(self.answer(model, own))
        model.train(training)
        if not self.team.first:
            return
        turns = (one for turn in zip_longest(*answers) for one in turn)
        found = asyncio.run(self._judged([one for one in turns if one is not None]))
        failures = [scored.failure for scored in found if scored.failure is not None]
        if failures:
            last = failures[-1].reason
            log.warning("held out: %d answers are unscored; the last: %s", len(failures), last)
        with LineWriter(self.file) as lines:
            lines.write({"step": state.global_step, **means(found)})

    async def _judged(self, completions: Sequence[str]) -> list[Scored]:
        plain = not self.scorer.reward.config.chain
        answered = [
            Transcript.of(question, completion, model="", plain=plain)
            for question, completion in zip(self.questions, completions, strict=True)
        ]
        try:
            return await self.scorer.score(answered)
        finally:
            await self.judges.aclose()  # connections belong to this loop, which ends now
