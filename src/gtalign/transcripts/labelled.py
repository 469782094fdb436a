"""Answers that people have labelled, and a check of judges on them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gtalign.chain import response_of
from gtalign.errors import DataError
from gtalign.judges import JudgeCheck, Judges, JudgesConfig, LabelledAnswer, check_judge
from gtalign.reward import Reward
from gtalign.transcripts.chats import TASK
from gtalign.transcripts.columns import read_number
from gtalign.transcripts.forms import transcript_of
from gtalign.transcripts.records import read_records

log = logging.getLogger(__name__)

LABEL = "label"
"""The column that holds a person's score."""


def read_labelled(path: Path, task: str = TASK) -> Sequence[LabelledAnswer]:
    """Return the answers of a file, with their labels.

    A row is a transcript, a line of a verl dump or a chat, as `read_transcripts` takes it. A column
    ``label`` holds a person's score on the scale of the task; without it, or with null, the answer
    has no label. An answer that cannot be read as the requested chain, or that is only reasoning or
    a call of a tool, has no response to judge: it is left out, and a warning counts such answers.

    Args:
        path: JSON Lines.
        task: The task of rows that name none.

    Raises:
        DataError: The file cannot be read, or a row is wrong; the message names file, line and
            column.
    """
    found = []
    for place, name, record in read_records(path):
        try:
            transcript = transcript_of(record, name, task)
            label = read_number(record.get(LABEL), LABEL)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        found.append((transcript, label))
    if not found:
        raise DataError(f"{path}: empty: it holds no answer")
    plain = [
        response_of(text.completion) if text.plain and text.unanswered is None else None
        for text, _ in found
    ]
    chains = Reward().read([transcript.completion for transcript, _ in found]).responses
    responses = [
        one if one is not None else other for one, other in zip(plain, chains, strict=True)
    ]
    unread = sum(response is None for response in responses)
    if unread:
        log.warning("%s: %d of %d answers have no response: left out", path, unread, len(found))
    return [
        LabelledAnswer(transcript.question, response, label)
        for (transcript, label), response in zip(found, responses, strict=True)
        if response is not None
    ]


def check_file(
    path: Path,
    config: JudgesConfig,
    *,
    task: str = TASK,
    good_from: float = 0.5,
    pairs: int = 100,
    workers: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> JudgeCheck:
    """Compare judges with the labels of a file; see `gtalign.judges.check_judge`.

    Args:
        path: The answers, as for `read_labelled`.
        config: The judges.
        task: The task of rows that name none.
        good_from: Least score of a good answer, as a share of the task's best score.
        pairs: Most pairs that each endpoint compares.
        workers: Most judgements under way at once.
        seed: Seed of the intervals and of the sample of pairs.
        progress: Takes the number of graded answers, and their total.

    Raises:
        ConfigError: The task is unknown.
        DataError: The file or a label is wrong, or no answer has a label.
        JudgeError: The judges failed on every answer, or cannot be asked.
    """
    config.check_task(task, "--task")
    answers = read_labelled(path, task)
    rng = np.random.default_rng(seed)

    async def check() -> JudgeCheck:
        async with Judges(config) as panel:
            graded = [
                answer
                if answer.label is None
                else replace(answer, label=panel.graded(answer.question, answer.label))
                for answer in answers
            ]
            return await check_judge(
                panel,
                graded,
                rng,
                endpoints=panel.endpoints,
                good_from=good_from,
                pairs=pairs,
                workers=workers,
                progress=progress,
            )

    return asyncio.run(check())
