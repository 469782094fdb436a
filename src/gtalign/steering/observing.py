"""Answers that are only observed: what can be said about them, and which have a shadow."""

from dataclasses import replace
from hashlib import blake2b

from gtalign.chain import acted, action_of, chosen_cell, parse
from gtalign.errors import ChainError
from gtalign.steering.answer import Steered
from gtalign.steering.decision import Decision
from gtalign.steering.guided import NO_CHAIN
from gtalign.steering.settings import SteeringSettings
from gtalign.steering.splice import decimals_of
from gtalign.steering.steering import Steering


def observed(steering: Steering, decision: Decision, text: str | None) -> Steered:
    """Return an answer that its engine gave by itself, with what can be said about it.

    Args:
        steering: The policy and the settings.
        decision: The record of the answer so far, with its id and phases.
        text: The answer; None if it is unknown.
    """
    form, settings = steering.form, steering.settings
    if text is None:
        return Steered("", None, None, replace(decision, reason=NO_CHAIN), "stop")
    try:
        chain = parse(text, form, tolerant=True, **settings.chain)
    except ChainError:
        found = replace(decision, reason=NO_CHAIN, acted=action_of(text, form))
        return Steered(text, text or None, None, found, "stop")
    decimals = settings.decimals
    found = steering.decide(
        chain,
        decimals_of(text[slice(*chain.spans["payoff"])]) if decimals is None else decimals,
        prompt_tokens=decision.prompt_tokens,
        used_tokens=decision.used_tokens,
        steered=False,
    )
    found = replace(
        found,
        id=decision.id,
        created=decision.created,
        chosen=chosen_cell(chain.analyze, form).cell,
        acted=acted(chain.response, form),
        phases=decision.phases,
    )
    return Steered(text, chain.response, chain, found, "stop")


def has_shadow(answer: Steered, settings: SteeringSettings, key: str) -> bool:
    """Whether the chain of an answer is to be asked for in a second request.

    Args:
        answer: The answer.
        settings: How answers are steered.
        key: The text that draws the sample: equal keys have equal draws.
    """
    asks = settings.mode == "observe" and not settings.trained and answer.chain is None
    drawn = int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=4).digest())
    return asks and drawn < settings.shadow * 2**32
