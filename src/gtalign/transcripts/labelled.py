"""Answers that people have labelled, read from transcripts, dumps and logs of chats."""

import logging
from collections.abc import Sequence
from pathlib import Path

from gtalign.chain import response_of
from gtalign.errors import DataError
from gtalign.judges.check import LabelledAnswer
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
    has no label. An answer that cannot be read as the requested chain has no response to judge: it
    is left out, and a warning counts such answers.

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
    plain = [response_of(text.completion) if text.plain else None for text, _ in found]
    chains = Reward().read([transcript.completion for transcript, _ in found]).responses
    responses = [
        one if one is not None else other for one, other in zip(plain, chains, strict=True)
    ]
    unread = sum(response is None for response in responses)
    if unread:
        log.warning("%s: %d of %d answers are no chain: left out", path, unread, len(found))
    return [
        LabelledAnswer(transcript.question, response, label)
        for (transcript, label), response in zip(found, responses, strict=True)
        if response is not None
    ]
