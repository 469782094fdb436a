"""Validation dumps of verl, read as transcripts."""

from collections.abc import Mapping
from typing import Any

from gtalign.chain import parse
from gtalign.errors import ChainError, DataError
from gtalign.tasks import Message
from gtalign.tasks.content import read_truth
from gtalign.tasks.question import read_messages
from gtalign.transcripts.chats import is_plain
from gtalign.transcripts.columns import read_number
from gtalign.transcripts.prompts import by_prompt
from gtalign.transcripts.transcript import Transcript

_COLUMNS = ("input", "output", "gts", "score")
_PUBLISHED = ("user_reward", "llm_reward", "score")
_OURS = ("user_welfare", "llm_welfare", "mutual_welfare")  # the score may be normalised


def is_dump(record: Mapping[str, Any]) -> bool:
    """Whether the object of a line comes from a dump, and is not a transcript of ours."""
    return "completion" not in record and all(key in record for key in _COLUMNS)


def from_dump(record: Mapping[str, Any], name: str, task: str) -> Transcript:
    """Return the transcript of a line of a dump.

    An output without any tag of a chain is plain, unless the dump has the method's own rewards:
    those of the published code, or those of `gtalign.integrations.verl`, which also name the
    question, and say where neutral values stand in for a score.

    Args:
        record: The line's object.
        name: The id to give.
        task: The task, if the line names none.

    Raises:
        DataError: A column is of the wrong type; the message names it.
    """
    completion = record["output"]
    if not isinstance(completion, str):
        raise DataError("column 'output' has to be text")
    ours = "mutual_welfare" in record
    user, llm, mutual = (
        read_number(record.get(column), column) for column in (_OURS if ours else _PUBLISHED)
    )
    unscored = "the dump has no score" if mutual is None else None
    if ours and read_number(record.get("unscored"), "unscored"):
        user = llm = mutual = None
        unscored = "no judge gave a score; the values of the dump stand in for one"
    named = record.get("data_source", record.get("task"))
    # Only the method's own reward asks for a chain, and it gives 0 without one.
    asked = (ours or "user_reward" in record) and not mutual
    plain = is_plain(completion) and not asked
    chain, error = None, None
    # The dump has scores, and no reward of ours reads it: for the comparison it is read here.
    try:
        chain = None if plain else parse(completion, tolerant=True).to_json()
    except ChainError as refused:
        error = str(refused)
    prompt = _prompt(record["input"])
    return Transcript(
        id=str(record.get("question_id") or name),
        task=task if named is None else str(named),
        completion=completion,
        cluster=by_prompt(prompt),
        prompt=prompt,
        ground_truth=read_truth(record["gts"], "gts"),
        chain=chain,
        chain_error=error,
        plain=plain,
        user_welfare=user,
        llm_welfare=llm,
        mutual_welfare=mutual,
        unscored=unscored,
    )


def _prompt(source: Any) -> tuple[Message, ...]:
    """The messages of a prompt: a list of them, or the text of one."""
    if isinstance(source, list):
        return read_messages(source, "input")
    return (Message(role="user", content="" if source is None else str(source)),)
