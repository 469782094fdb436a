"""The reward as verl asks for it: one sample at a time, in several processes.

``compute_score`` is the function that verl's own reward managers call. Name it in verl's
configuration, with the file that `gtalign rl --engine verl` has written, or one of your own:

    reward.custom_reward_function.path=pkg://gtalign.integrations.verl
    +reward.custom_reward_function.reward_kwargs.config=/shared/run/config.toml

`gtalign.integrations.verl.manager` is a reward manager that knows the model's tokenizer too, and
the conversation or the edit that a sample stems from.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from gtalign.config import load
from gtalign.endpoints import EndpointSettings
from gtalign.game.file import load_game
from gtalign.integrations.verl.ledger import Ledger, SampleResult, ledger_of
from gtalign.integrations.verl.rows import HELD_OUT, LEARNED, question_in
from gtalign.judges import Judges, JudgesConfig
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward
from gtalign.tasks import Question
from gtalign.training.rl_run import RLRun
from gtalign.training.verl import VerlSettings
from gtalign.transcripts import Scorer, Transcript, TranscriptWriter

Limited = TypeVar("Limited", bound=EndpointSettings)

EDITED = "edited"
"""What an agent loop says of a completion that goes on from an edited matrix."""

WORKERS = "workers"
"""The folder of a run in which each process writes the transcripts of what it has scored."""


class Scoring:
    """Judges and scores the samples that one process gets, by the run's configuration.

    Each sample becomes a transcript in a file of this process. Where a judge fails, the sample's
    numbers are neutral (`Ledger.settle`).

    Args:
        config: The run's configuration; transcripts are written beside it.
        tokenizer: The model's tokenizer; by default the one that lies at ``model``.
        router: Host and port of verl's router for the judge that verl serves, if it serves one.
    """

    def __init__(self, config: Path, tokenizer: Any = None, router: str | None = None) -> None:
        self.run = run = load(RLRun, config)
        settings = run.verl or VerlSettings()
        self.judges = Judges(shared_judges(run.judges, settings, router))
        self.form = load_game(run.game)
        self.count = token_counter(_tokenizer(run.model) if tokenizer is None else tokenizer)
        # Failures are counted by the ledger, which sees those of all processes.
        self._scorer = Scorer(Reward(run.reward, self.count, self.form), self.judges)
        self._plain = not run.reward.chain
        self._folder = config.parent / WORKERS
        name = f"gtalign-{sha256(str(config.resolve()).encode()).hexdigest()[:16]}"
        self._ledger = ledger_of(
            name, lambda: Ledger(run.max_failed, run.window, run.reward.normalise)
        )

    async def score(
        self, question: Question, completion: str, *, learned: bool = True, step: int | None = None
    ) -> dict[str, float | str]:
        """Return what verl gets for a sample: the same keys for each, and none named ``reward``.

        ``score`` is what verl trains on. ``raw_score`` is the reward before it is normalised,
        ``user_welfare``, ``llm_welfare`` and ``mutual_welfare`` are U, L and W. ``unscored`` is 1
        where neutral values stand in, ``malformed`` is 1 where the completion is no chain.
        ``question_id`` and ``task`` name the question.

        Args:
            question: What was asked.
            completion: The whole text of the model.
            learned: Whether the sample is trained on; others are not normalised.
            step: The trainer's step, for the transcript.

        Raises:
            JudgeError: Too many judgements failed, over all processes.
            UnusableJudgeError: A judge cannot be asked at all.
            StorageError: The transcript cannot be written.
        """
        split = LEARNED if learned else HELD_OUT
        answered = Transcript.of(question, completion, model="", split=split, plain=self._plain)
        (scored,) = await self._scorer.score([answered])
        score = scored.score
        outcome = SampleResult(
            question.task,
            0.0 if scored.transcript.unanswered is not None else score.reward,
            score.user_welfare,
            score.llm_welfare,
            score.mutual_welfare,
            scored.asked,
            scored.failure,
            learned,
        )
        return await self.settle(scored.transcript, outcome, step)

    async def obeyed(
        self, question: Question, completion: str, *, step: int | None = None
    ) -> dict[str, float | str]:
        """Return what verl gets for a completion that goes on from an edited matrix.

        It is worth how well it obeys that matrix (`gtalign.training.rollouts.obeyed`), to both
        sides alike, and no judge is asked. Such completions have statistics of their own.

        Args:
            question: What was asked.
            completion: The whole text, with what was given of it.
            step: The trainer's step, for the transcript.

        Raises:
            GTAlignError: As for `score`.
        """
        from gtalign.training.rollouts import obeyed  # it loads torch

        worth = obeyed(completion, self.form)
        transcript = replace(
            Transcript.of(question, completion, model="", split=LEARNED),
            unscored="goes on from an edited matrix",
        )
        return await self.settle(transcript, SampleResult(EDITED, *(worth,) * 4), step)

    async def settle(
        self, transcript: Transcript, outcome: SampleResult, step: int | None
    ) -> dict[str, float | str]:
        """Write a sample down, and return what verl gets for it; see `score`.

        Args:
            transcript: The sample.
            outcome: What it is worth.
            step: The trainer's step.

        Raises:
            JudgeError: Too many judgements failed, over all processes.
            StorageError: The transcript cannot be written.
        """
        name = f"{transcript.split}-{socket.gethostname()}-{os.getpid()}.jsonl"
        extra = {**transcript.extra, "step": step, "reward": outcome.reward}
        with TranscriptWriter(self._folder / name, keep_ids=False) as lines:
            lines.write(replace(transcript, extra=extra))
        return {
            **await self._ledger.settle(outcome),
            "malformed": float(transcript.chain_error is not None),
            "question_id": transcript.id,
            "task": transcript.task,
        }


@cache
def scoring_of(config: Path, router: str | None) -> Scoring:
    """Return the scoring of this process, made at its first sample."""
    return Scoring(config, router=router)


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    config: str,
    reward_router_address: str | None = None,
    **_: Any,
) -> dict[str, float | str]:
    """Score a sample for a reward manager of verl; see `Scoring.score` for the keys.

    Args:
        data_source: Task of the row.
        solution_str: The completion.
        ground_truth: The row's ground truth.
        extra_info: The row's further columns.
        config: Path of the run's configuration, on a file system that all machines share.
        reward_router_address: Where verl serves a judge, if it does.

    Raises:
        DataError: The row is wrong.
        GTAlignError: As for `Scoring.score`.
    """
    info = extra_info or {}
    question, learned = question_in(data_source, ground_truth, info)
    scoring = scoring_of(Path(config), reward_router_address)
    if info.get(EDITED):
        return await scoring.obeyed(question, solution_str)
    return await scoring.score(question, solution_str, learned=learned)


def shared_judges(
    judges: JudgesConfig, settings: VerlSettings, router: str | None = None
) -> JudgesConfig:
    """Return the judges as one of several processes asks them.

    Each process gets an equal part of the requests that an endpoint allows at once and in a minute,
    so that all of them together keep the limit.

    Args:
        judges: The judges of the run.
        settings: Says how many processes there are, and which judge verl serves.
        router: Host and port of verl's router.
    """
    endpoints = {}
    for name, endpoint in judges.endpoints.items():
        part = part_of(endpoint, settings.reward_workers)
        if router is not None and settings.judge is not None and settings.judge.endpoint == name:
            part = part.model_copy(update={"url": f"http://{router}/v1"})
        endpoints[name] = part
    return judges.model_copy(update={"endpoints": endpoints})


def part_of(endpoint: Limited, workers: int) -> Limited:
    """Return an endpoint with the part of its limits that one of several processes gets."""
    limit = endpoint.requests_per_minute
    return endpoint.model_copy(
        update={
            "concurrency": max(1, endpoint.concurrency // workers),
            "requests_per_minute": None if limit is None else limit / workers,
        }
    )


def _tokenizer(model: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)
