"""The goal of a user that a row of questions states in ``extra_info.goal``."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from gtalign.config import Config, load_table
from gtalign.dialogue.goal import Goal, Missing
from gtalign.dialogue.words import states, terms_of, unreadable, words_of
from gtalign.errors import ConfigError, DataError
from gtalign.tasks import Message, Question


def _readable(text: str) -> str:
    if (why := unreadable(text)) is not None:
        raise ValueError(f"the text {why}")
    return text


def _stated(answer: str) -> str:
    if not terms_of(answer):
        raise ValueError(f"no response can hold {answer!r}: it has no word, number or symbol")
    return answer


def _named(topic: str) -> str:
    for word in topic.split("|"):
        if words_of(word) != [word.casefold()]:
            raise ValueError(
                f"no question can name {word!r}: a topic is one word, or several with | between"
            )
    return topic


_Text = Annotated[str, Field(max_length=20_000), AfterValidator(_readable)]
_Answer = Annotated[_Text, AfterValidator(_stated)]
_Topic = Annotated[_Text, AfterValidator(_named)]


class ReplySettings(Config):
    """Something that the user says when it is asked for.

    Keys:
        topic: Words that a question for it names, in any case; of ``home|city`` one is enough.
            Empty: every question asks for it.
        reply: What the user says.
    """

    topic: tuple[_Topic, ...] = ()
    reply: _Text


class MissingSettings(ReplySettings):
    """A fact that the question leaves out; see `ReplySettings`."""

    @field_validator("reply")
    @classmethod
    def _tells(cls, reply: str) -> str:
        if not words_of(reply):
            raise ValueError(f"nothing is told by {reply!r}: it has no words")
        return reply


class GoalSettings(Config):
    """What the user of one question wants.

    Keys:
        wish: What the user wants, in words: the instruction of a user that a model plays.
        answers: A response is right if it holds one of these texts, word for word, number for
            number (`gtalign.dialogue.words.states`); without any, nobody knows which response is
            right.
        missing: The facts that the question leaves out, and the answer needs.
        ready: What the user has a reply to although nothing hangs on it, such as a request for
            leave to go on.
        detailed: The question with nothing left out.
        harmful: Whether the right answer is a refusal.
    """

    wish: _Text
    answers: tuple[_Answer, ...] = ()
    missing: tuple[MissingSettings, ...] = ()
    ready: tuple[ReplySettings, ...] = ()
    detailed: _Text | None = None
    harmful: bool = False


def told_goal(question: Question) -> Goal:
    """Return the goal that a question's row states.

    Args:
        question: The question; ``extra["goal"]`` holds the keys of `GoalSettings`.

    Raises:
        DataError: A key is unknown, missing or of the wrong type, or the goal can never be met;
            names the question.
    """
    told = question.extra["goal"]
    if not isinstance(told, Mapping):
        raise DataError(f"question {question.id!r}: extra_info.goal has to be an object")
    try:
        # Columns of a parquet file hold null for every key that another row has.
        settings = load_table(GoalSettings, _without_nulls(told), "extra_info.goal")
    except ConfigError as error:
        raise DataError(f"question {question.id!r}: {error}") from error
    known = frozenset(words_of(question.text))

    def replies(given: Sequence[ReplySettings]) -> tuple[Missing, ...]:
        return tuple(Missing(one.topic, one.reply, known) for one in given)

    def grade(response: str) -> float | None:
        if not settings.answers:
            return None
        return max(states(answer, response) for answer in settings.answers)

    detailed: tuple[Message, ...] = ()
    if settings.detailed is not None:
        asked = Message(role="user", content=settings.detailed)
        detailed = (*question.messages[:-1], asked)
    return Goal(
        question=question,
        wish=settings.wish,
        grade=grade,
        answers=settings.answers,
        missing=replies(settings.missing),
        detailed=detailed,
        harmful=settings.harmful,
        ready=replies(settings.ready),
    )


def _without_nulls(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {key: _without_nulls(value) for key, value in told.items() if value is not None}
    return [_without_nulls(one) for one in told] if isinstance(told, list | tuple) else told
