"""What a policy assumes of clarifying questions, and what asking is then worth.

The rows of a matrix are the types of the user: how the request was put. A helpful reply makes the
request a detailed one, so the LLM then answers as in that row. What the model wrote for the actions
that ask is not used: their worth is worked out from the answers (`gtalign.game.clarify` solves the
same problem where replies inform, but change nothing).
"""

from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gtalign.config import Config, Share
from gtalign.errors import GameError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.arrays import Payoffs
from gtalign.game.cells import first_best

Points = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]

QUESTIONS: Final = 20
"""Most questions that a policy looks ahead."""


class Asking(Config):
    """An action of the LLM that asks.

    Keys:
        action: Its name, or that of the action of the usual game as which actions of another game
            count (``counts_as``): ``CQ`` or ``AQ``.
        answer: Action with which it answers as it asks; a user who leaves keeps that answer. None
            to ask without an answer. ``DA`` is the first action of a game that counts as it.
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
        asks: The actions that ask. Those of the usual game that a game has nothing for are left
            out.
        detailed: The user's action that a helpful reply amounts to, or ``DQ`` for the one that
            counts as it.
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

    def of(self, form: GameForm) -> "Roles":
        """The part that each action of a game plays.

        Raises:
            GameError: The game lacks an action; the message names it.
        """
        llm, user = form.llm_actions, form.user_actions
        asks: dict[int, tuple[Asking, int | None]] = {}
        for asking in self.asks:
            meant = form.meant_by(asking.action)
            if not meant and asking.action not in USER_LLM.llm_actions:
                raise GameError(
                    f"clarify names the LLM action {asking.action!r}; the game has {', '.join(llm)}"
                )
            answer = None
            if meant and asking.answer is not None:
                answer = llm.index(_first(form, asking.answer))
            for name in meant:
                if llm.index(name) in asks:
                    raise GameError(f"clarify names the LLM action {name!r} twice")
                asks[llm.index(name)] = asking, answer
        if not asks:
            wanted = " or ".join(asking.action for asking in self.asks)
            raise GameError(
                f"clarify needs an LLM action that asks; none of {', '.join(llm)} counts as"
                f" {wanted}"
            )
        for column, (_, answer) in asks.items():
            if answer in asks:
                raise GameError(f"the answer of {llm[column]} is {llm[answer]}, which asks")
        answers = tuple(column for column in range(len(llm)) if column not in asks)
        if not answers:
            raise GameError("clarify needs an LLM action that answers and does not ask")
        clear = form.meant_by(self.detailed, "user")
        if len(clear) != 1:
            told = f"none of {', '.join(user)} counts as it"
            if clear:
                told = f"{' and '.join(clear)} count as it"
            raise GameError(
                f"clarify names the user action {self.detailed!r}, a request that lacks nothing;"
                f" {told}"
            )
        return Roles(asks, answers, user.index(clear[0]))

    def check(self, form: GameForm) -> None:
        """Check that a game has the actions, and one more that answers.

        Raises:
            GameError: It does not; the message names the action.
        """
        self.of(form)


@dataclass(frozen=True, slots=True)
class Roles:
    """The part that each action of a game plays under `Clarify`.

    Attributes:
        asks: Column of each LLM action that asks -> the assumptions of it, and the column of the
            answer that it gives as it asks.
        answers: Columns of the LLM actions that answer.
        detailed: Row of the request that lacks nothing.
    """

    asks: dict[int, tuple[Asking, int | None]]
    answers: tuple[int, ...]
    detailed: int


def _first(form: GameForm, answer: str) -> str:
    """The LLM action that an answer is, the first of several that count as it."""
    meant = form.meant_by(answer)
    if not meant:
        raise GameError(
            f"clarify names the LLM action {answer!r}; the game has {', '.join(form.llm_actions)}"
        )
    return meant[0]


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
    roles = clarify.of(form)
    answers, detailed = np.array(roles.answers), roles.detailed
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
        for column, (asking, answer) in roles.asks.items():
            left = gone_N2 if answer is None else direct_Nn2[:, answer]
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
