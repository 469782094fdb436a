"""What annotators see: a question, and one answer to rate or two to choose from. No model is named.

Annotators need the items alone. The `Key`, a file of its own, says which model wrote what.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gtalign.errors import DataError
from gtalign.steering.fields import Fields
from gtalign.tasks import Message

Kind = Literal["rating", "pair"]

ANSWERS: Final[Mapping[Kind, int]] = {"rating": 1, "pair": 2}
"""Number of answers of each kind of item."""

VALUES: Final[Mapping[Kind, tuple[int, ...]]] = {"rating": (1, 2, 3, 4, 5), "pair": (0, 1, 2)}
"""What an annotator may say of each kind: how satisfied, 1 to 5; or which one, 0 for neither."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer as annotators see it.

    Attributes:
        id: Its id, which says nothing of its model.
        turns: The response; of a conversation, all turns after those that every answer shares.
        cut: Characters that are not shown, since the answer is too long.
    """

    id: str
    turns: tuple[Message, ...]
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do for an annotator.

    Attributes:
        id: Its id; of a rating, that of its answer.
        kind: Whether to rate one answer, or to choose between two.
        round: Items of one round are of different questions; annotators see a round at a time.
        context: The turns before the answers: the question.
        answers: The answers, in the order in which they are shown.
    """

    id: str
    kind: Kind
    round: int
    context: tuple[Message, ...]
    answers: tuple[Shown, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object of one line, which `from_json` reads back equal."""
        return {
            "id": self.id,
            "kind": self.kind,
            "round": self.round,
            "context": [dict(turn) for turn in self.context],
            "answers": [
                {"id": one.id, "turns": [dict(turn) for turn in one.turns], "cut": one.cut}
                for one in self.answers
            ],
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Item":
        """Build an item from the object of one line.

        Raises:
            DataError: It is no item; the message says why.
        """
        fields = Fields(source)
        try:
            item = cls(
                id=fields.text("id"),
                kind=fields.choice("kind", tuple(ANSWERS)),
                round=fields.count("round"),
                context=_turns(fields, "context"),
                answers=tuple(
                    Shown(one.text("id"), _turns(one, "turns"), one.count("cut"))
                    for one in fields.objects("answers")
                ),
            )
        except DataError as error:
            raise DataError(f"no item of a study: {error}") from error
        wanted = ANSWERS[item.kind]
        if len(item.answers) != wanted:
            raise DataError(f"a {item.kind} has {wanted} answers, not {len(item.answers)}")
        return item


@dataclass(frozen=True, slots=True)
class Key:
    """Who wrote an answer, and what was measured on it. Annotators never get it.

    Attributes:
        answer: Id of the answer.
        model: The model that wrote it.
        question: Id of its question.
        cluster: The cluster of its question.
        measures: W, U, L and each factor of the reward; None where one is unknown.
    """

    answer: str
    model: str
    question: str
    cluster: str
    measures: Mapping[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Return the object of one line, which `from_json` reads back equal."""
        return {
            "answer": self.answer,
            "model": self.model,
            "question": self.question,
            "cluster": self.cluster,
            "measures": dict(self.measures),
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Key":
        """Build a key from the object of one line.

        Raises:
            DataError: It is none; the message says why.
        """
        fields = Fields(source)
        try:
            measures = fields.object("measures")
            return cls(
                answer=fields.text("answer"),
                model=fields.text("model"),
                question=fields.text("question"),
                cluster=fields.text("cluster"),
                measures={name: measures.known(name, measures.number) for name in measures.names()},
            )
        except DataError as error:
            raise DataError(f"no key of an answer: {error}") from error


def _turns(fields: Fields, name: str) -> tuple[Message, ...]:
    return tuple(
        Message(role=turn.text("role"), content=turn.text("content"))
        for turn in fields.objects(name)
    )
