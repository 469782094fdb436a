"""Who a simulated user is: type, style, patience, and what a conversation costs."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from gtalign.config import Config, Share

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Costs(Config):
    """What a conversation costs, in units of a right answer, whose worth is 1.

    Keys:
        turn: Cost to the user of each answer of the assistant.
        read: Cost to the user of each token that the user reads.
        written: Cost to the user of each token that the user writes after the question.
        llm: Cost to the assistant of each token that it writes, reasoning included.
        discount: What a right answer keeps of its worth for each turn that it comes later.
    """

    turn: Amount = 0.05
    read: Amount = 0.0005
    written: Amount = 0.005
    llm: Amount = 0.0005
    discount: Annotated[float, Field(gt=0, le=1)] = 0.95


class Persona(Config):
    """Who a simulated user is.

    Keys:
        type: ``open`` tells what it is asked for; ``guarded`` says first that it does not know, and
            tells it when asked again.
        style: ``plain``; ``terse`` says the telling words alone; ``wordy`` adds a courtesy.
        about: Who the user is, in words, for a user that a model plays. It is told all other keys
            as well, but ``costs.llm``, which no user bears.
        replies: Probability that the user answers a question for what is missing; else it leaves.
        stays: Probability that the user stays after an answer that comes with an idle question.
        corrects: Probability that a user who got a wrong answer says what was meant; else it
            leaves.
        patience: Most answers that the user reads; then it leaves.
        costs: What the conversation costs.
    """

    type: Literal["open", "guarded"] = "open"
    style: Literal["plain", "terse", "wordy"] = "plain"
    about: str = ""
    replies: Share = 0.9
    stays: Share = 0.5
    corrects: Share = 0.0
    patience: PositiveInt = 8
    costs: Costs = Costs()
