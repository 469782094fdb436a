"""A user from recorded replies of people: it says what a person said to the nearest question."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from typing import Any

from gtalign.dialogue.scripted import pleased
from gtalign.dialogue.user import Conversation, Left, Reply
from gtalign.dialogue.words import unreadable, words_of
from gtalign.errors import DataError
from gtalign.files.lines import read_objects
from gtalign.tasks.question import read_messages


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a person replied.

    Args:
        question: The question with which the person began; empty if that is unknown.
        asked: What the person was asked.
        reply: What the person said; None for one who left.
    """

    question: str
    asked: str
    reply: str | None


def read_recorded(file: Path) -> list[Recorded]:
    """Read recorded replies.

    A line is an object with ``asked`` and ``reply`` and, if it is known, the ``question``; or a
    chat with ``messages``, each of whose replies to an assistant is one record. An empty message of
    a chat is none: nobody knows whether that person left.

    Raises:
        DataError: A line is neither, a reply cannot be read, or the file has no reply; names file
            and line.
    """
    found: list[Recorded] = []
    for line in read_objects(file):
        try:
            found += _records(line.value)
        except DataError as error:
            raise DataError(f"{line.place}: {error}") from error
    if not found:
        raise DataError(f"{file}: no reply of a user to an assistant")
    return found


def _records(row: Mapping[str, Any]) -> Iterator[Recorded]:
    if "messages" in row:
        messages = read_messages(row["messages"], "messages")
        first = next((m["content"] for m in messages if m["role"] == "user"), "")
        for said, replied in pairwise(messages):
            if (said["role"], replied["role"]) != ("assistant", "user"):
                continue
            if unreadable(replied["content"]) is None:
                yield Recorded(first, said["content"], replied["content"])
        return
    question, asked = row.get("question", ""), row.get("asked")
    if not isinstance(question, str) or not isinstance(asked, str):
        raise DataError("a recorded reply has text 'asked', or it is a chat with 'messages'")
    if "reply" not in row or not isinstance(row["reply"], str | None):
        raise DataError("a recorded reply has 'reply', text or null for a person who left")
    if row["reply"] is not None and (why := unreadable(row["reply"])) is not None:
        raise DataError(f"the text of 'reply' {why}; a person who left has null")
    yield Recorded(question, asked, row["reply"])


class RecordedUser:
    """A user that says what a person said to the nearest question.

    Where people were asked about the same question, only what they said counts. Nearness is the
    cosine of the words, each weighted by how rare it is. A person who left leaves. An answer
    without a question ends the conversation, as with the scripted user.

    Args:
        records: The recorded replies.
        near: Least nearness, in [0, 1]; if no record is as near, the user leaves.
    """

    def __init__(self, records: Sequence[Recorded], near: float = 0.1) -> None:
        self._records = records
        self._near = near
        words = [Counter(words_of(record.asked)) for record in records]
        held = Counter(word for counts in words for word in counts)
        self._rare = {word: log(1 + len(records) / count) for word, count in held.items()}
        self._index: dict[str, list[tuple[int, float]]] = {}
        self._by_question: dict[str, set[int]] = {}
        for number, counts in enumerate(words):
            for word, weight in self._weights(counts).items():
                self._index.setdefault(word, []).append((number, weight))
            if begun := " ".join(words_of(records[number].question)):
                self._by_question.setdefault(begun, set()).add(number)

    async def reply(self, conversation: Conversation) -> Reply:
        """Return what a person said."""
        if conversation.silent or conversation.turns >= conversation.persona.patience:
            return pleased(conversation) or Left(empty_handed=conversation.silent)
        if conversation.said.states and (end := pleased(conversation)) is not None:
            return end
        if not conversation.questions:
            return Left()
        first = " ".join(words_of(conversation.goal.question.text))
        record = self.nearest(" ".join(conversation.questions), self._by_question.get(first))
        return Left() if record is None or record.reply is None else record.reply

    def nearest(self, asked: str, among: set[int] | None = None) -> Recorded | None:
        """Return the record whose question is nearest; None if none is near enough.

        Args:
            asked: The question of the assistant.
            among: Numbers of the records to choose from; None for all.
        """
        near: dict[int, float] = {}
        for word, weight in self._weights(Counter(words_of(asked))).items():
            for number, other in self._index.get(word, ()):
                if among is None or number in among:
                    near[number] = near.get(number, 0.0) + weight * other
        if not near:
            return None
        best = max(near, key=lambda number: (near[number], -number))
        return self._records[best] if near[best] >= self._near else None

    def _weights(self, counts: Counter[str]) -> dict[str, float]:
        """The words' weights, of length 1; words that no record holds count for the length."""
        rarest = log(1 + len(self._records))
        weights = {word: n * self._rare.get(word, rarest) for word, n in counts.items()}
        length = sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()}
