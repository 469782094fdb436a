"""What a simulated user gives away of its goal: leaks, which make a conversation too easy."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gtalign.dialogue.user import Conversation
from gtalign.dialogue.words import holds, states, terms_of, words_of

LEAKS: Final = {
    "answer": "the user states a right answer, or what stands before its first comma, which nobody"
    " has stated before",
    "unasked": "the user tells a missing fact that it is not asked for, by its words; correcting a"
    " wrong answer is none, if the persona corrects",
    "wish": "the user quotes its instruction: eight words in a row",
}
"""Every kind of leak, and when a reply has it."""

_QUOTED: Final = 8
"""So many words of the instruction in a row, none of them the user's own question, are a quote."""

_SHORT: Final = 2
"""So many characters say too little by themselves: "the one of 5 brothers" gives no 5 away."""

_BARE: Final = (["yes"], ["no"], ["true"], ["false"])
"""Answers that nobody can tell from a reply to the assistant's own question."""

_COMMA: Final = re.compile(r",(?!\d)")
_CLAUSE: Final = re.compile(r"[.,;:!?)\u2026]+(?=\s|\Z)|\n")


def leaks_of(conversation: Conversation, text: str) -> tuple[str, ...]:
    """Return the kinds of leak in what a user says, of `LEAKS`.

    The rule compares words. So it misses a paraphrase, a number in words, another language, and a
    part of an answer other than the one before its first comma. An answer of one or two
    characters counts only at the end of a clause, and yes or no never.

    Args:
        conversation: The conversation that the user replies to.
        text: What the user says.
    """
    goal = conversation.goal
    said = " ".join(message["content"] for message in conversation.messages)
    found = []
    known = " ".join([said, *(fact.reply for fact in goal.missing)])  # that the user may say
    if any(_gives(form, text) and not states(form, known) for form in _forms(goal.answers)):
        found.append("answer")
    if _unasked(conversation, text):
        found.append("unasked")
    if _quotes(words_of(text), words_of(goal.wish), said):
        found.append("wish")
    return tuple(found)


def _forms(answers: Sequence[str]) -> Iterator[str]:
    """Every answer, and what stands before its first comma."""
    for answer in answers:
        yield answer
        yield _COMMA.split(answer, maxsplit=1)[0]


def _gives(answer: str, text: str) -> bool:
    """Whether a text gives an answer away."""
    terms = terms_of(answer)
    if terms in _BARE:
        return False
    if sum(map(len, terms)) > _SHORT:
        return bool(states(answer, text))
    return any(terms_of(clause)[-len(terms) :] == terms for clause in _CLAUSE.split(text) if terms)


def _unasked(conversation: Conversation, text: str) -> bool:
    """Whether a text tells a fact that the last response neither asks for nor holds."""
    goal = conversation.goal
    wanted = [goal.missing[number].reply for number in conversation.wanted]
    free = goal.told_by(" ".join([*wanted, conversation.response]), conversation.told)
    told = set(goal.told_by(text, conversation.told)) - {*conversation.wanted, *free}
    wrong = conversation.said.states and conversation.quality != 1
    return bool(told) and not (wrong and conversation.persona.corrects > 0)


def _quotes(text: Sequence[str], wish: Sequence[str], said: str) -> bool:
    runs = {tuple(wish[i : i + _QUOTED]) for i in range(len(wish) - _QUOTED + 1)}
    return any(
        tuple(text[i : i + _QUOTED]) in runs and not holds(said, " ".join(text[i : i + _QUOTED]))
        for i in range(len(text) - _QUOTED + 1)
    )
