"""Shadows: the chains of answers that were only observed, each asked for in a second request."""

from collections.abc import Iterator
from dataclasses import replace

from gtalign.steering import guided
from gtalign.steering.answer import Ask, Steered
from gtalign.steering.phase import SHADOW
from gtalign.steering.session import Session
from gtalign.steering.steering import Steering
from gtalign.steering.stopwatch import Stopwatch
from gtalign.steering.writing import Step, Writing


class Shadow(Session):
    """The chain of an answer that was only observed, asked for in a second request.

    Its result is the same answer, with the decision that the chain leads to. The model is asked to
    stop before a response.

    Args:
        steering: The backend, the policy and the settings.
        ask: The request of the answer.
        answer: The answer.
    """

    def __init__(self, steering: Steering, ask: Ask, answer: Steered) -> None:
        self._answer = answer
        super().__init__(steering, ask)

    @property
    def result(self) -> Steered:
        """The answer with the decision.

        Raises:
            SteeringError: The shadow is not finished.
        """
        decision, seen = super().result.decision, self._answer.decision
        asked = (replace(phase, name=f"{SHADOW}: {phase.name}") for phase in decision.phases)
        return replace(
            self._answer,
            decision=replace(
                decision,
                id=seen.id,
                created=seen.created,
                acted=seen.acted,
                cut=seen.cut,
                phases=(*seen.phases, *asked),
            ),
        )

    def _plan(self, watch: Stopwatch) -> tuple[Writing, Iterator[Step]]:
        writing, budget = self._guided(watch)
        read = self._answer.decision.prompt_tokens
        return writing, guided.shadow(writing, budget, prompt_tokens=read)
