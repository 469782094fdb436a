"""What a policy assumes of clarifying questions, and what asking is then worth.

The rows of a matrix are the types of the user: how the request was put. A helpful reply makes the
request a detailed one, so the LLM then answers as in that row. What the model wrote for the actions
that ask is not used: their worth is worked out from the answers (`gtalign.game.clarify` solves the
same problem where replies inform, but change nothing).
"""

from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gtalign.config import Config, Share
from gtalign.errors import GameError
from gtalign.game import GameForm
from gtalign.game.arrays import Payoffs
from gtalign.game.cells import first_best

Points = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]

QUESTIONS: Final = 20
"""Most questions that a policy looks ahead."""


class Asking(Config):
    """An action of the LLM that asks.

    Keys:
        action: Its name.
        answer: Action with which it answers as it asks; a user who leaves keeps that answer. None
            to ask without an answer.
        user: What the question and the reply cost the user, in points.
        llm: What they cost the LLM.
    """

    action: str
    answer: str | None = None
    user: Points = 0.5
    llm: Points = 0.3


class Clarify(Config):
    """Assumptions of the rule ``clarify``. All other actions of the LLM are answers.

    Keys:
        asks: The actions that ask.
        detailed: The user's action that a helpful reply amounts to.
        replies: Share of the users who reply; the others leave.
        helps: Share of the replies that say what was missing.
        questions: Most questions in a row, 1 to 20.
        leaving_user: Points that a user who leaves without an answer gets more than from the
            worst answer in the matrix.
        leaving_llm: The same for the LLM.
    """

    asks: Annotated[tuple[Asking, ...], Field(min_length=1)] = (
        Asking(action="CQ"),
        Asking(action="AQ", answer="DA", user=0.8, llm=0.6),
    )
    detailed: str = "DQ"
    replies: Share = 0.9
    helps: Share = 0.9
    questions: Annotated[int, Field(ge=1, le=QUESTIONS)] = 1
    leaving_user: Points = 0.0
    leaving_llm: Points = 0.0

    @model_validator(mode="after")
    def _answers_with_an_answer(self) -> Self:
        names = [asking.action for asking in self.asks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the action {name!r} is listed twice")
        for asking in self.asks:
            if asking.answer in names:
                raise ValueError(f"the answer of {asking.action} is {asking.answer}, which asks")
        return self

    def check(self, form: GameForm) -> None:
        """Check that a game has the actions, and one more that answers.

        Raises:
            GameError: It does not; the message names the action.
        """
        asks = {asking.action for asking in self.asks}
        named = {asking.answer for asking in self.asks} - {None}
        for name in sorted(asks | {str(name) for name in named}):
            if name not in form.llm_actions:
                raise GameError(
                    f"clarify names the LLM action {name!r}; the game has"
                    f" {', '.join(form.llm_actions)}"
                )
        if self.detailed not in form.user_actions:
            raise GameError(
                f"clarify names the user action {self.detailed!r}; the game has"
                f" {', '.join(form.user_actions)}"
            )
        if asks >= set(form.llm_actions):
            raise GameError("clarify needs an LLM action that answers and does not ask")


def looked_ahead(
    payoffs: Payoffs, belief: Payoffs, form: GameForm, clarify: Clarify, charges: Payoffs | None
) -> Payoffs:
    """What user and LLM expect of each action of the LLM, if replies go as the policy assumes.

    A reply that does not help comes only from users whose request is not detailed, so it leaves
    the belief among those as it was.

    Args:
        payoffs: ``[N, m, n, 2]``.
        belief: Probability of each row, ``[N, m]``.
        form: The game.
        clarify: The assumptions.
        charges: Points that a policy added to the payoffs, ``[N, m, n, 2]``: asking costs what its
            action is charged more than an answer. None for no charge.

    Returns:
        ``[N, n, 2]``.

    Raises:
        GameError: The game lacks an action that the assumptions name.
    """
    clarify.check(form)
    llm, asks = form.llm_actions, {asking.action: asking for asking in clarify.asks}
    answers = np.array([column for column, name in enumerate(llm) if name not in asks])
    detailed = form.user_actions.index(clarify.detailed)
    each_N = np.arange(len(payoffs))
    served_N = answers[_best(payoffs[:, detailed][:, answers])]
    served_N2 = payoffs[each_N, detailed, served_N]  # once the request is detailed
    gone_N2 = payoffs[:, :, answers].min(axis=(1, 2))
    gone_N2 += [clarify.leaving_user, clarify.leaving_llm]
    unclear_Nm = belief.copy()
    unclear_Nm[:, detailed] = 0
    missing_N = unclear_Nm.sum(axis=1)
    unclear_Nm /= np.where(missing_N > 0, missing_N, 1)[:, None]

    def moves(belief_Nm: Payoffs, unhelped_N2: Payoffs) -> Payoffs:
        values_Nn2: Payoffs = np.einsum("Nm,Nmnp->Nnp", belief_Nm, payoffs)
        direct_Nn2 = values_Nn2.copy()
        lacking_N1 = (1 - belief_Nm[:, [detailed]]) * (1 - clarify.helps)
        for column, asking in ((llm.index(name), asking) for name, asking in asks.items()):
            left = gone_N2
            if asking.answer is not None:
                left = direct_Nn2[:, llm.index(asking.answer)]
            cost: Payoffs = np.array([asking.user, asking.llm])
            if charges is not None:
                more_Nm2 = charges[:, :, column] - charges[each_N, :, served_N]
                cost = cost - np.einsum("Nm,Nmp->Np", belief_Nm, more_Nm2)
            replied_N2 = (1 - lacking_N1) * served_N2 + lacking_N1 * unhelped_N2
            stay = clarify.replies
            values_Nn2[:, column] = stay * replied_N2 + (1 - stay) * left - cost
        return values_Nn2

    after_Nn2 = np.einsum("Nm,Nmnp->Nnp", unclear_Nm, payoffs)[:, answers]
    after_N2 = after_Nn2[each_N, _best(after_Nn2)]
    for _ in range(clarify.questions - 1):
        again_Nn2 = moves(unclear_Nm, after_N2)
        after_N2 = again_Nn2[each_N, _best(again_Nn2)]
    return moves(belief, after_N2)


def _best(values_Nk2: Payoffs) -> NDArray[np.intp]:
    """The action of the highest sum, ``[N]``; ties: the user's payoff, then the first."""
    values_kN2 = values_Nk2.swapaxes(0, 1)
    return first_best(values_kN2.sum(axis=-1), values_kN2[..., 0])
