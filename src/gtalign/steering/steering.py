"""A backend steered under a policy: how a matrix becomes a decision about the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

from gtalign.chain import Chain, action_of
from gtalign.errors import SteeringError
from gtalign.game import USER_LLM, GameForm
from gtalign.steering.answer import Steered
from gtalign.steering.backend import Backend
from gtalign.steering.decision import Decision, Resume
from gtalign.steering.edit import Edit, edit, fit
from gtalign.steering.expected import ActionTokens, TokenHistory
from gtalign.steering.policy import Policy
from gtalign.steering.recommend import recommend
from gtalign.steering.settings import SteeringSettings
from gtalign.steering.stop_strings import loose_response
from gtalign.tasks import Message


@dataclass(frozen=True)
class Steering:
    """A backend, the policy that steers its answers, and the settings.

    `gtalign.steering.Session` writes the answers.

    Args:
        backend: The backend that writes.
        policy: The pricing policy in force.
        settings: How answers are steered.
        model: Name of the model, for records and for the history.
        form: The game.
        prior: Expected tokens of each LLM action, until enough are measured; see `prior_for`.
        history: Measured tokens of each action; answers are added to it as they are finished.
        now: The clock.
        new_id: Names each decision.

    Raises:
        SteeringError: The backend cannot continue an edited text, and no fallback is configured.
    """

    backend: Backend
    policy: Policy
    settings: SteeringSettings = field(default_factory=SteeringSettings)
    model: str = ""
    form: GameForm = USER_LLM
    prior: Mapping[str, ActionTokens] | None = None
    history: TokenHistory = field(default_factory=TokenHistory)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: uuid4().hex

    def __post_init__(self) -> None:
        if self.settings.mode != "observe" and self.resume == "none":
            raise SteeringError(
                f"{self.backend.name} cannot continue an edited text, so its answers cannot be"
                ' steered; with fallback = "reask" the model is asked again instead'
            )

    @property
    def resume(self) -> Resume:
        """How an answer continues after its matrix was edited."""
        if self.settings.mode == "observe":
            return "none"
        if self.settings.resume == "splice" and not self.backend.can_resume:
            return self.settings.fallback
        return self.settings.resume

    def learn(self, answer: Steered, messages: Sequence[Message] = ()) -> None:
        """Add the tokens of an answer to the history of its action.

        Args:
            answer: The finished answer.
            messages: The conversation that it answers. If it holds an answer already, this one is
                also counted among those that follow up the action of that answer.
        """
        decision = answer.decision
        if decision.acted is not None and answer.chain is not None:
            left = decision.unserved
            phases = [phase for phase in decision.phases if phase not in left]
            if decision.resume == "reask":  # the message before it was discarded
                phases = phases[-1:]
            tokens = sum(phase.tokens for phase in phases)
            after = _action_before(messages, self.form)
            self.history.add(self.model, decision.acted, tokens, after=after)

    def decide(
        self,
        chain: Chain,
        decimals: int,
        *,
        prompt_tokens: int | None,
        used_tokens: int,
        steered: bool,
        began: float | None = None,
    ) -> Decision:
        """Edit the matrix of a chain under the policy, and recommend a cell before and after.

        Args:
            chain: The chain that holds the matrix; the decision records its repairs.
            decimals: Decimals of the payoffs of the edited matrix.
            prompt_tokens: Tokens of the prompt; None if the engine does not report it (the further
                turns that an action causes are then charged without it).
            used_tokens: Tokens of the user's quota that were used before.
            steered: Whether the answer will continue from the edited matrix.
            began: When the work on the decision began, by `perf_counter`; None for an untimed one.
        """
        expected = self.history.expected(self.model, self.form, self.prior)
        exact = Edit(chain.payoff, chain.payoff, ())
        if not self.settings.told_prices:
            exact = edit(
                chain.payoff,
                self.policy,
                expected,
                prompt_tokens=prompt_tokens or 0,
                used_tokens=used_tokens,
            )
        low, high = self.settings.low, self.settings.high
        changed = fit(exact, decimals=decimals, low=low, high=high)
        choose = partial(recommend, policy=self.policy, low=low, belief=chain.belief)
        before = choose(chain.payoff)
        after = choose(changed.edited, charges=exact.charges)
        return self._decision(
            expected=expected,
            used_tokens=used_tokens,
            steered=steered,
            stated=chain.payoff,
            edited=changed.edited,
            terms=changed.terms,
            before=before,
            after=after,
            prompt_tokens=prompt_tokens,
            repairs=chain.repairs,
            decimals=decimals,
            belief=chain.belief,
            decided_ms=None if began is None else (perf_counter() - began) * 1000,
        )

    def undecided(self, reason: str | None, *, used_tokens: int) -> Decision:
        """The record of an answer whose matrix is not known."""
        return self._decision(
            expected=self.history.expected(self.model, self.form, self.prior),
            used_tokens=used_tokens,
            steered=False,
            reason=reason,
        )

    def _decision(self, **known: Any) -> Decision:
        """A decision, with what all of them have in common; to make one and change it takes twice
        the time."""
        return Decision(
            id=self.new_id(),
            created=self.now().isoformat(timespec="seconds"),
            model=self.model,
            backend=self.backend.name,
            mode=self.settings.mode,
            resume=self.resume,
            policy=self.policy.name,
            policy_hash=self.policy.hash,
            sources=self.history.sources(self.model, self.form, self.prior),
            form=self.form,
            **known,
        )


def _action_before(messages: Sequence[Message], form: GameForm) -> str | None:
    """The action of the last answer of a conversation; None if there is none yet."""
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    return action_of(loose_response(said[-1]) or said[-1], form) if said else None
