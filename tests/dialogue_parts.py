"""Assistants and goals for tests of conversations."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gtalign.dialogue import Answer, Goal, Match, Missing, Persona, ScriptedUser, User
from gtalign.lab.goals import lab_goal
from gtalign.lab.world import make_world
from gtalign.tasks import Message, Question

Says = Callable[[Sequence[Message], str | None], str]
"""Takes the conversation and the forced action; returns the response."""


@dataclass
class SayingAssistant:
    """An assistant by rule.

    Attributes:
        says: Writes the response.
        seen: The conversations that it was given, each with the seed.
        busiest: Most answers that were under way at once.
    """

    says: Says
    seen: list[tuple[tuple[Message, ...], int]] = field(default_factory=list)
    busiest: int = 0
    _busy: int = 0

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        self.seen.append((tuple(messages), seed))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        await asyncio.sleep(0)
        self._busy -= 1
        text = self.says(messages, force)
        return Answer(text, text)


CITY = Question(
    id="q",
    task="ambig_qa",
    messages=(Message(role="user", content="Who is the mayor of Springfield?"),),
    ground_truth="",
    cluster="q",
)


def grade(response: str) -> float:
    return float("Quimby" in response)


GOAL = Goal(
    question=CITY,
    wish="You want to know who is the mayor of the Springfield in the cartoon series.",
    grade=grade,
    answers=("Joe Quimby",),
    missing=(
        Missing(("which|what", "springfield"), "The one in the cartoon.", frozenset({"the", "in"})),
    ),
    detailed=(Message(role="user", content="Who is the mayor of the Springfield in the cartoon?"),),
)
ASK, ANSWER, WRONG = "Which Springfield do you mean?", "It is Joe Quimby.", "It is Jim Langfelder."
IDLE = "Do you like cities?"
SURE = Persona(replies=1.0, stays=1.0)


def asks_then_answers(messages: Sequence[Message], force: str | None = None) -> str:
    return ANSWER if any("cartoon" in message["content"] for message in messages) else ASK


def match(
    goal: Goal = GOAL, user: User | None = None, persona: Persona = SURE, arm: str = "ask"
) -> Match:
    return Match(goal, user or ScriptedUser(), "scripted", persona, arm, detailed=arm == "full")


def lab_goals(items: int = 1) -> list[Goal]:
    return [lab_goal(question) for question in make_world(0, 1, items).test]


@dataclass
class LabAssistant:
    """Plays as the lab's true matrix supposes: it guesses, asks to the point, and answers right
    once it knows."""

    goal: Goal
    guesses_right: bool

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        item = self.goal.question.extra["item"]
        wrong = [w for w in item["wrong"] if self.goal.grade(w) == item["partial"]]
        knows = force is None or not self.goal.missing or self.guesses_right
        stated = item["answer"] if knows else wrong[0]
        said = {"DA": stated, "CQ": item["ask"], "AQ": f"{stated} {item['ask']}"}[force or "DA"]
        return Answer(said, said)
