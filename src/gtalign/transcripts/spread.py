"""Scoring on several processes: what each one needs, and how a row that kills one is recorded.

The process that reads and writes the files keeps the order of rows and counts failures. So results
are those of one machine, and either can resume what the other began.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

from gtalign.endpoints.engine import Recipe, Work
from gtalign.errors import WorkerLostError
from gtalign.game import GameForm
from gtalign.judges import Judges, JudgesConfig
from gtalign.judges.failures import Failure
from gtalign.models.tokens import counter_in
from gtalign.reward import FACTORS, Reward, RewardConfig, Score
from gtalign.transcripts.scoring import Row, Scored, Scoring

Fill = Work[Sequence[Row], list[Scored]]


def recipe(
    reward: RewardConfig,
    judges: JudgesConfig | None,
    form: GameForm,
    *,
    tokenizer: Path | None = None,
    workers: int = 64,
    recount: bool = False,
) -> Recipe[Sequence[Row], list[Scored]]:
    """Return what a process needs to score rows.

    Args:
        reward: The reward.
        judges: Judges that are asked for missing verdicts; None asks nobody. A process compares
            mathematical answers with one helper, as it has one CPU.
        form: The game that chains are about.
        tokenizer: Folder of a tokenizer that counts; None counts words.
        workers: Most judgements of an item under way at once.
        recount: Whether to count tokens again.
    """
    if judges is not None:
        judges = judges.model_copy(update={"math_workers": 1})
    return partial(_opened, reward, judges, form, tokenizer, workers, recount)


@asynccontextmanager
async def _opened(
    reward: RewardConfig,
    judges: JudgesConfig | None,
    form: GameForm,
    tokenizer: Path | None,
    workers: int,
    recount: bool,
) -> AsyncGenerator[Fill, None]:
    judge = None if judges is None else Judges(judges)
    count = None if tokenizer is None else counter_in(tokenizer)
    async with judge or nullcontext():
        yield Scoring(Reward(reward, count, form), judge, workers=workers, recount=recount)


def bearing_loss(fill: Fill) -> Fill:
    """Return the same work; a row with which its process dies stays unscored, with the reason."""

    async def filled(rows: Sequence[Row]) -> list[Scored]:
        try:
            return await fill(rows)
        except WorkerLostError as error:
            if len(rows) > 1:
                return [scored for row in rows for scored in await filled([row])]
            return [_lost(rows[0], error)]

    return filled


def _lost(row: Row, error: WorkerLostError) -> Scored:
    reason = f"question {row.transcript.id!r}: {error}"
    score = Score(
        chain=None,
        chain_error=None,
        tokens={},
        factors=dict.fromkeys(FACTORS),
        user_welfare=None,
        llm_welfare=None,
        mutual_welfare=None,
        answer_llm_welfare=None,
        answer_mutual_welfare=None,
        reward=None,
        unscored=reason,
    )
    return Scored(
        transcript=row.transcript.scored(score, row.transcript.verdicts),
        score=score,
        response=None,
        asked=True,
        failure=Failure(error.cause, reason, broken=True),
        recorded=False,
        refused=None,
        before=row.transcript.mutual_welfare,
    )
