"""Settings of reinforcement learning over whole conversations; reading them loads no torch."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from gtalign.config import Config
from gtalign.dialogue import Goal, Match, User, UserSettings
from gtalign.dialogue.measures import MEASURES
from gtalign.dialogue.settings import UserName
from gtalign.tasks import Question

GoalOf = Callable[[Question, int], Goal | None]
"""Takes a question and a seed; returns what its user wants, or None if nobody knows."""


def _measure(name: str) -> str:
    good = [key for key, measure in MEASURES.items() if measure.higher]
    if name not in good:
        raise ValueError(f"{name!r} is no measure to maximise; there are {', '.join(good)}")
    return name


Aim = Annotated[str, AfterValidator(_measure)]


class TalkSettings(Config):
    """Conversations of several turns with simulated users, to learn from.

    Keys:
        users: The simulated users, by name; each talks about as many questions.
        turns: Most answers of the model in a conversation.
        rewards: Measures of the whole conversation, as `gtalign converse` has them. Of several,
            each is normalised within its group, and the sum is trained on (GDPO):
            ``["user_welfare", "llm_welfare"]``.
        credit: ``conversation`` compares each conversation with its group; ``turn`` compares each
            answer with those conversations of the group that came as far.
        timeout: Seconds that a reply of a user may take.
    """

    users: Annotated[dict[UserName, UserSettings], Field(min_length=1)] = Field(
        default_factory=lambda: {"scripted": UserSettings()}
    )
    turns: PositiveInt = 4
    rewards: Annotated[
        tuple[Annotated[str, AfterValidator(_measure)], ...], Field(min_length=1)
    ] = ("welfare",)
    credit: Literal["conversation", "turn"] = "conversation"
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0


def matches(
    config: TalkSettings, users: Mapping[str, User], goal_of: GoalOf, seed: int
) -> Callable[[Question, int], Match]:
    """Return who talks about what: the users take turns, and each conversation draws a goal.

    Args:
        config: The settings.
        users: The users, opened.
        goal_of: Returns what a user wants; it has to know the goal of every question.
        seed: Seed of the goals.
    """
    names = list(users)

    def match(question: Question, number: int) -> Match:
        name = names[number % len(names)]
        goal = goal_of(question, seed * 1_000_003 + number)
        assert goal is not None  # the questions without one were left out
        return Match.of(goal, users[name], name, config.users[name].persona, "ask", number)

    return match
