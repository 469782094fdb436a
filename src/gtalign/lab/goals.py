"""The goals of users in the small world: the truth about every question is known."""

from gtalign.dialogue import Goal, Missing, goal_of
from gtalign.dialogue.words import words_of
from gtalign.lab.judge import split_response
from gtalign.lab.languages import LANGUAGES
from gtalign.tasks import Message, Question

_ROLES = ("user", "assistant")


def is_lab_question(question: Question) -> bool:
    """Whether a question is one of the small world: it carries the facts of its item."""
    item = question.extra.get("item")
    return isinstance(item, dict) and {"vague", "detailed", "topic", "reply"} <= item.keys()


def known_goal(question: Question, seed: int) -> Goal | None:
    """Return what the user of any question wants; None if nobody knows.

    Questions of the lab carry it; of others the labels may say it (`gtalign.dialogue.goal_of`).
    """
    return lab_goal(question) if is_lab_question(question) else goal_of(question, seed)


def lab_goal(question: Question) -> Goal:
    """Return what the user of a question of the small world wants.

    A response is graded by the judge of the world, on what it states. The language is that of the
    item: English answers begin with a capital letter.
    """
    item = question.extra["item"]
    language = LANGUAGES["english" if item["answer"][:1].isupper() else "terse"]
    detailed = tuple(
        Message(role=_ROLES[number % 2], content=text)
        for number, text in enumerate(item["detailed"])
    )
    missing: tuple[Missing, ...] = ()
    if question.extra["user_action"] == "VQ":
        known = frozenset(words_of(" ".join(item["vague"])))
        missing = (Missing(tuple(item["topic"]), item["reply"], known),)

    def grade(response: str) -> float | None:
        stated, _ = split_response(response)
        return language.judge.quality(item, stated) if stated else 0.0

    return Goal(
        question=question,
        wish=f"You want an answer to this question: {item['detailed'][-1]}",
        grade=grade,
        answers=(item["answer"],),
        missing=missing,
        detailed=detailed,
        harmful=item["harmful"],
    )
