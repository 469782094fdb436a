"""Chains whose matrix knows a pricing policy that one line of the prompt names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gtalign.chain import Chain, work_out
from gtalign.steering import (
    ActionTokens,
    Edit,
    Policy,
    decimals_of,
    edit,
    fit,
    policy_line,
    prior_for,
)
from gtalign.steering.edit import PLAYERS
from gtalign.synthesis.counterfactuals import HIGH, LOW
from gtalign.synthesis.drills import compact


@dataclass(frozen=True, slots=True)
class Priced:
    """A chain under a policy.

    Args:
        line: The line of the prompt that names the policy.
        text: The whole chain.
        action: The LLM action that its matrix recommends, and that the response carries out.
    """

    line: str
    text: str
    action: str


def priced(
    chain: Chain,
    policy: Policy,
    expected: Mapping[str, ActionTokens],
    respond: Callable[[str], str],
    *,
    decimals: int = 0,
    prompt_tokens: int = 0,
) -> Priced:
    """Write a chain anew as if its writer had known a policy from the start.

    The thinking ends with the charges. The matrix is edited as steering would edit it, and the
    analysis is worked out from it by the published rule.

    Args:
        chain: A chain that knows no policy.
        policy: The policy.
        expected: Expected tokens of each LLM action.
        respond: Writes a response that carries out an LLM action.
        decimals: Most decimals of a payoff.
        prompt_tokens: Tokens of the question.

    Raises:
        ConfigError: As for `gtalign.steering.edit`.
    """
    exact = edit(chain.payoff, policy, expected, prompt_tokens=prompt_tokens)
    matrix = fit(exact, decimals=decimals, low=LOW, high=HIGH).edited
    solved = work_out(matrix)
    thinking = f"{chain.thinking} {charged(exact, decimals)}".strip()
    text = (
        f"<thinking>{thinking}</thinking><payoff>{compact(matrix)}</payoff>"
        f"<analyze>{solved.text}</analyze><response>{respond(solved.action)}</response>"
    )
    return Priced(policy_line(policy), text, solved.action)


def priced_from(chain: Chain, responses: Mapping[str, str], policy: Policy) -> Priced | None:
    """Write a chain as if its writer had known a policy, with a response that was written before.

    Args:
        chain: A chain that knows no policy.
        responses: A response for each LLM action that has one.
        policy: The policy; what actions take is its form's prior (`gtalign.steering.prior_for`).

    Returns:
        None if no response carries out what the matrix then recommends.

    Raises:
        ConfigError: As for `gtalign.steering.edit`.
    """
    expected = prior_for(chain.payoff.form)
    decimals = decimals_of(compact(chain.payoff))
    found = priced(
        chain, policy, expected, lambda action: responses.get(action, ""), decimals=decimals
    )
    return found if found.action in responses else None


def charged(edit: Edit, decimals: int) -> str:
    """Say what an edit adds to the payoffs of each player, by action where that is enough.

    Returns:
        A text such as ``user: DA -1, CQ -3, AQ -2.``; empty if the edit changes nothing.
    """
    form, said = edit.stated.form, []
    change_mn2 = np.round(edit.edited.payoffs - edit.stated.payoffs, decimals) + 0.0
    for side, player in enumerate(PLAYERS):
        change_mn = change_mn2[..., side]
        named = dict(zip(form.cells, change_mn.flat, strict=True))
        if (change_mn == change_mn[0]).all():
            named = dict(zip(form.llm_actions, change_mn[0], strict=True))
        if change_mn.any():
            listed = ", ".join(f"{name} {amount:g}" for name, amount in named.items())
            said.append(f"{player}: {listed}.")
    return " ".join(said)
