"""What a simulated user gives away of its goal: leaks, which make a conversation too easy."""

from collections.abc import Sequence
from typing import Final

from gtalign.dialogue.user import Conversation
from gtalign.dialogue.words import holds, words_of

LEAKS: Final = {
    "answer": "the user states the right answer, which nobody has stated before",
    "unasked": "the user tells a missing fact in reply to a question for something else",
    "wish": "the user quotes its instruction",
}
"""Every kind of leak, and when a reply has it."""

_QUOTED: Final = 8
"""So many words of the instruction in a row, none of them the user's own question, are a quote."""


def leaks_of(conversation: Conversation, text: str) -> tuple[str, ...]:
    """Return the kinds of leak in what a user says, of `LEAKS`.

    Args:
        conversation: The conversation that the user replies to.
        text: What the user says.
    """
    goal = conversation.goal
    said = " ".join(message["content"] for message in conversation.messages)
    found = []
    known = " ".join([said, *(fact.reply for fact in goal.missing)])  # that the user may say
    if holds(text, goal.answer) and not holds(known, goal.answer):
        found.append("answer")
    asks_else = conversation.questions and not conversation.wanted
    if asks_else and goal.told_by(text, conversation.told):
        found.append("unasked")
    if _quotes(words_of(text), words_of(goal.wish), said):
        found.append("wish")
    return tuple(found)


def _quotes(text: Sequence[str], wish: Sequence[str], said: str) -> bool:
    runs = {tuple(wish[i : i + _QUOTED]) for i in range(len(wish) - _QUOTED + 1)}
    return any(
        tuple(text[i : i + _QUOTED]) in runs and not holds(said, " ".join(text[i : i + _QUOTED]))
        for i in range(len(text) - _QUOTED + 1)
    )
