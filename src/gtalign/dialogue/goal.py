"""What a user wants of one conversation: the goal that the assistant does not see."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property

from gtalign.dialogue.words import words_of
from gtalign.tasks import Message, Question

Grade = Callable[[str], float | None]
"""Takes a response; returns the quality of what it states, in [0, 1], or None if unknown."""


@dataclass(frozen=True)
class Missing:
    """A fact that the question leaves out, and that the answer needs.

    Args:
        topic: Words that a question for it names, in any case; of ``home|city`` one is enough.
            Empty: every question asks for it.
        reply: What the user says when asked for it; empty if nobody knows.
        known: Words that the question as asked holds already: they tell nobody the fact.
    """

    topic: tuple[str, ...]
    reply: str
    known: frozenset[str] = frozenset()

    @cached_property
    def telling(self) -> frozenset[str]:
        """The words of the reply that tell the fact: those that the question does not hold.

        All of them, where the question holds every one.
        """
        words = frozenset(words_of(self.reply))
        return (words - self.known) or words

    def asked_in(self, question: str) -> bool:
        """Whether a question asks for it."""
        words = set(words_of(question))
        return all(not words.isdisjoint(word.casefold().split("|")) for word in self.topic)

    def told_in(self, text: str) -> bool:
        """Whether a text tells it: it holds all telling words."""
        return bool(self.telling) and self.telling <= set(words_of(text))


@dataclass(frozen=True)
class Goal:
    """What a user wants of one conversation.

    Args:
        question: The question as the user asks it; its messages open the conversation.
        wish: What the user wants, in words: the instruction of a user that a model plays.
        grade: Grades a response against the truth.
        answers: The right answer, which the user does not know, in every form that counts; empty
            if nobody knows it.
        missing: The facts that the question leaves out; empty if it leaves out none.
        detailed: The messages of the same question with nothing left out.
        harmful: Whether the right answer is a refusal, which is not what the user wants.
        ready: What the user has a reply to although the answer does not need it, such as a request
            for leave to go on.
    """

    question: Question
    wish: str
    grade: Grade = field(compare=False)
    answers: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    detailed: tuple[Message, ...] = ()
    harmful: bool = False
    ready: tuple[Missing, ...] = ()

    @property
    def opening(self) -> tuple[Message, ...]:
        """The messages with which the conversation begins."""
        return self.question.messages

    def asked_for(self, questions: Collection[str], told: Collection[int]) -> tuple[int, ...]:
        """Return the numbers of the facts, not told yet, that some of the questions ask for."""
        return tuple(
            number
            for number, fact in enumerate(self.missing)
            if number not in told and any(map(fact.asked_in, questions))
        )

    def offered_by(self, questions: Collection[str]) -> tuple[int, ...]:
        """Return the numbers of what the user has a reply to and some of the questions ask for."""
        return tuple(n for n, one in enumerate(self.ready) if any(map(one.asked_in, questions)))

    def told_by(self, text: str, told: Collection[int]) -> tuple[int, ...]:
        """Return the numbers of the facts, not told yet, that a text tells."""
        return tuple(
            number
            for number, fact in enumerate(self.missing)
            if number not in told and fact.told_in(text)
        )
