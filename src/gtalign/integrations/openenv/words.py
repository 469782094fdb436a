"""What passes between an agent and the environments."""

from openenv.core.env_server import Action, Observation, State
from pydantic import Field


class Said(Action):
    """What the model says.

    Args:
        message: What it wrote.
        reasoning: What it wrote before, if its server keeps it apart.
        tokens: Tokens that it wrote; by default they are counted.
    """

    message: str
    reasoning: str = ""
    tokens: int | None = Field(default=None, ge=0)


class Heard(Observation):
    """What the model is given.

    ``reward`` is None as long as the episode goes on, and where nobody knows what it is worth;
    ``metadata`` holds the measures that are known.

    Args:
        messages: The whole conversation that it is to answer; empty when the episode is done.
        problem: Why an episode that is done has no reward.
    """

    messages: list[dict[str, str]] = Field(default_factory=list)
    problem: str | None = None


class About(State):
    """The state of an episode.

    Args:
        question: Id of the question.
    """

    question: str | None = None
