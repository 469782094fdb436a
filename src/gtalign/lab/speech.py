"""The words of the teachers, in either language of the world."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Speech:
    """The fixed words of the teachers, around the contents of a question.

    Args:
        musings: Idle thoughts, before the thinking.
        courtesies: Idle words, before a response.
        vague: Thinking on a question that is taken for vague; ``{quote}`` is what decides it.
        detailed: The same for detailed; ``{work}`` are the steps to the answer.
        frontier: Begins an analysis whose sums are not written out; with the ``{cells}``.
        choose: Ends an analysis; with the ``{cell}``.
        terms: Names the terms of a service in the prompt; see `gtalign.lab.terms`.
        noted: Names them in the thinking.
    """

    musings: tuple[str, ...]
    courtesies: tuple[str, ...]
    vague: str
    detailed: str
    frontier: str
    choose: str
    terms: str
    noted: str


TERSE: Final = Speech(
    musings=(
        "let me think about what is asked here and what is told.",
        "i have to look at all that is told before i answer.",
        "the user wants to know it, so let me look at it again.",
        "it is good to think first and to answer then.",
    ),
    courtesies=(
        "thank you for asking.",
        "i am glad to help with that.",
        "that is a good thing to ask.",
    ),
    vague="{quote} vague.",
    detailed="{quote} detailed. {work}",
    frontier="frontier: {cells}.",
    choose="choose {cell}.",
    terms="pay by {pay}, asks {asks}, in {time}.",
    noted="{pay} {asks} {time}.",
)

ENGLISH: Final = Speech(
    musings=(
        "Let me read the question once more before I answer it.",
        "I should look at everything that the user says here.",
        "The user wants help, so I think about it carefully first.",
        "It is good to think first and to answer afterwards.",
    ),
    courtesies=("Thank you for asking.", "I am glad to help with that.", "Good question!"),
    vague="{quote} A fact is missing, so the question is vague.",
    detailed="{quote} Nothing is missing, so the question is detailed. {work}",
    frontier="The frontier holds {cells}.",
    choose="Choose {cell}.",
    terms="The user pays by the {pay}, questions back {asks} us, and the user asks with {time}.",
    noted="The terms are {pay}, {asks} and {time}.",
)
