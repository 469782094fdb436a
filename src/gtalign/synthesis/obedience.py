"""Lessons in obeying a matrix, made from the candidates of a cold start.

The candidates of a question answer it in several ways. So a kept chain can go on from an edited
matrix with a response that a teacher wrote: that of the candidate that carries out what the edited
matrix recommends. The same chain with its own analysis and response is the worse one of a pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from gtalign.chain import Chain, acted
from gtalign.synthesis.counterfactuals import Counterfactual, counterfactual

TRIES: Final = 16
"""Edits that are drawn until one recommends an action for which there is a response."""


class Responses:
    """The responses to one question by the LLM action that they carry out.

    Of several that carry out one action, the one with the highest mutual welfare W is kept; of
    equals, the first.
    """

    def __init__(self) -> None:
        self._best: dict[str, tuple[float, str]] = {}

    def add(self, chain: Chain, welfare: float) -> None:
        """Add the response of a chain."""
        action = acted(chain.response, chain.payoff.form)
        if action is not None and (action not in self._best or welfare > self._best[action][0]):
            self._best[action] = welfare, chain.response

    def by_action(self) -> dict[str, str]:
        """Return a response for each action that has one."""
        return {action: response for action, (_, response) in self._best.items()}


@dataclass(frozen=True, slots=True)
class ObedienceLesson:
    """What a model should write after an edited matrix, and what it should not.

    Args:
        right: The chain that follows the edited matrix.
        wrong: The chain that goes on as before the edit; None if that carries out the same action.
    """

    right: Counterfactual
    wrong: str | None


def lesson(
    chain: Chain, responses: Mapping[str, str], rng: np.random.Generator
) -> ObedienceLesson | None:
    """Edit the matrix of a chain, and let the chain go on from it with a written response.

    Args:
        chain: A chain.
        responses: A response for each LLM action that has one.
        rng: Source of chance.

    Returns:
        None if no edit was drawn that recommends an action with a response.
    """
    for _ in range(TRIES):
        right = counterfactual(chain, rng, lambda action: responses.get(action, ""))
        if right.action in responses:
            return ObedienceLesson(right, ignoring(chain, right))
    return None


def ignoring(chain: Chain, edited: Counterfactual) -> str | None:
    """Return the chain that goes on from an edited matrix as it did before the edit.

    Args:
        chain: The chain before the edit.
        edited: The chain that follows the edit.

    Returns:
        None if its response carries out what the edited matrix recommends.
    """
    if acted(chain.response, chain.payoff.form) == edited.action:
        return None
    return f"{edited.given}{chain.analyze}</analyze><response>{chain.response}</response>"
