"""The assistant in a conversation: a model in this process, a server, or a gateway."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from gtalign.chain import response_of, unanswered, with_reasoning
from gtalign.endpoints import Endpoint
from gtalign.endpoints.reply import CUT_OFF, REFUSED
from gtalign.errors import TeacherError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.judges.batch import together
from gtalign.steering import (
    Ask,
    Backend,
    Decision,
    Policy,
    Recommendation,
    Sampling,
    Session,
    Steering,
    SteeringSettings,
)
from gtalign.steering.backend import Batching
from gtalign.steering.stop_strings import loose_response
from gtalign.tasks import Message

FREE: Final = Policy(name="free", payer="nobody")
"""A policy that charges nobody."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of an assistant.

    Args:
        completion: The whole text that it wrote.
        response: What the user reads; empty if nothing can be read.
        tokens: Tokens that it wrote; None to count the completion.
        decision: The record of steering; None without any.
    """

    completion: str
    response: str
    tokens: int | None = None
    decision: Decision | None = None

    @classmethod
    def of(cls, completion: str, tokens: int | None = None) -> "Answer":
        """Return the answer of a model that nothing steers: its response is read from its text."""
        said = "" if unanswered(completion) is not None else response_of(completion)
        return cls(completion, said, tokens)

    @property
    def stated(self) -> Bimatrix | None:
        """The payoff matrix of its chain; None if it has none."""
        return None if self.decision is None else self.decision.stated


class Assistant(Protocol):
    """A model that answers the user."""

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation.

        Args:
            messages: The conversation.
            id: Of the conversation, for errors.
            seed: Seed of the answer.
            force: The action that it has to carry out; None for its own choice.

        Raises:
            ServiceError: A server gave no answer.
            SteeringError: An engine failed, or the action cannot be forced.
        """
        ...


@dataclass(frozen=True)
class Forced(Steering):
    """Steering that makes the answer carry out one action, whatever the matrix says.

    Args:
        action: The action. The cell is the one of that action with the highest sum of payoffs.
    """

    action: str = "DA"

    def decide(self, *args: Any, **named: Any) -> Decision:
        """Return the decision for a cell of the action; see `Steering.decide`."""
        decision = super().decide(*args, **named)
        edited, chosen = decision.edited, decision.after
        assert edited is not None and chosen is not None
        own = [cell for cell in self.form.cells if cell.endswith(f"_{self.action}")]
        cell = max(own, key=lambda cell: sum(edited.cell(cell)))
        return replace(decision, after=Recommendation(cell, self.action, "forced", chosen.solve))


class SteeredAssistant:
    """A model behind a backend of steering: in this process, or on a server.

    Args:
        backend: Writes the answers.
        model: Name of the model.
        settings: How answers are steered. The first answer is forced in the mode ``enforce``.
        policy: The pricing policy in force.
        sampling: How tokens are drawn; the seed is set for each answer.
        max_tokens: Most tokens of an answer.
        form: The game.
    """

    def __init__(
        self,
        backend: Backend,
        model: str,
        settings: SteeringSettings,
        *,
        policy: Policy = FREE,
        sampling: Sampling | None = None,
        max_tokens: int = 2048,
        form: GameForm = USER_LLM,
    ) -> None:
        self.backend = backend
        self.sampling = sampling or Sampling()
        self.max_tokens = max_tokens
        self._steering = Steering(backend, policy, settings, model=model, form=form)
        self._settings = settings

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation."""
        sampling = replace(self.sampling, seed=seed)
        steering = self._steering
        if force is not None:
            # An answer that does something else is written once more.
            enforce = self._settings.model_copy(update={"mode": "enforce", "verify": "retry"})
            steering = Forced(
                steering.backend,
                FREE,
                enforce,
                model=steering.model,
                form=steering.form,
                action=force,
            )
        ask = Ask(tuple(messages), self.max_tokens, sampling)
        steered = await Session(steering, ask).answer()
        response = steered.response
        if response is None:
            response = loose_response(steered.text) or ""
        return Answer(steered.text, response, steered.tokens, steered.decision)

    async def together(self, calls: Sequence[Coroutine[Any, Any, None]]) -> list[None]:
        """Await calls at once; a backend that can computes their writes as batches."""
        if isinstance(self.backend, Batching):
            return await self.backend.together(calls)
        return await together(calls)


class ServedAssistant:
    """A model behind an endpoint, asked as judges and teachers are.

    Args:
        endpoint: The endpoint; its failures are `TeacherError`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation.

        Raises:
            TeacherError: The server gave none; or an action is to be forced, which needs steering.
        """
        about = f"model {self.endpoint.settings.model!r}, {id}"
        if force is not None:
            raise TeacherError(f"{about}: no action can be forced without steering", "not steered")
        reply = await self.endpoint.complete(
            messages, messages, accepts=bool, about=about, sample=seed
        )
        if reply.problem not in (None, CUT_OFF, REFUSED):
            raise TeacherError(f"{about}: the reply is no answer: {reply.problem}", "no answer")
        text = with_reasoning(reply.reasoning, reply.text)
        usage = reply.usage
        return Answer.of(text, None if usage.unmetered else usage.completion_tokens)
