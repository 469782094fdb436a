"""The pricing policies of the lab's prompts: those that training draws, and those it never does."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, PositiveInt

from gtalign.config import Share
from gtalign.evaluation.steering.priced import PricedSettings
from gtalign.steering import Policy, Price, Quota

Prices = tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
"""Prices of a million written tokens."""

Payer = Literal["user", "provider"]

FREE: Final = Policy(name="free", payer="nobody")


class PolicyLineSettings(PricedSettings):
    """Policies in the prompts of a lab run.

    Training draws a policy in which nobody pays, the user pays, the provider pays, or the provider
    pays up to a quota and the user above it. The comparison also takes policies that training never
    draws, of three kinds: ``price``, whose price is new to all; ``payer``, whose price only
    the other side paid in training; and ``quota``, whose quota is new.

    Keys:
        share: Share of the training questions to which every supervised model that writes chains
            also learns a chain with a policy in its prompt, whose matrix is the true one under that
            policy; 0 for none, and for no comparison.
        user: Prices in training where the user pays.
        provider: Prices in training where the provider pays.
        quotas: Quotas in training, in tokens.
        new_prices: Prices that training never draws.
        new_quotas: Quotas that training never draws.
        each: Policies of each kind that are compared.
    """

    share: Share = 0.0
    user: Annotated[Prices, Field(min_length=1)] = (2.0, 4.0, 6.0, 10.0)
    provider: Annotated[Prices, Field(min_length=1)] = (3.0, 5.0, 8.0)
    quotas: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (150, 300)
    new_prices: Prices = (1.0, 7.0, 12.0)
    new_quotas: tuple[PositiveInt, ...] = (200, 400)
    each: PositiveInt = 3


def draw(settings: PolicyLineSettings, rng: np.random.Generator, utility_of_money: float) -> Policy:
    """Draw a policy of the training.

    Args:
        settings: Which there are.
        rng: Source of chance.
        utility_of_money: Payoff points that one currency unit is worth.
    """
    user, provider = (float(rng.choice(prices)) for prices in (settings.user, settings.provider))
    tokens = int(rng.choice(settings.quotas))
    match int(rng.integers(4)):
        case 0:
            found = FREE
        case 1:
            found = _paid("user", user)
        case 2:
            found = _paid("provider", provider)
        case _:
            found = _quota(tokens, provider, user)
    return _worth(found, utility_of_money)


def compared(
    settings: PolicyLineSettings, utility_of_money: float
) -> dict[str, tuple[Policy, ...]]:
    """Return the policies to compare by kind, the same for every seed."""
    rng = np.random.default_rng(0)
    trained: dict[str, Policy] = {}
    for _ in range(1000):
        if len(trained) == settings.each:
            break
        policy = draw(settings, rng, utility_of_money)
        if policy.payer != "nobody":
            trained[policy.name] = policy
    found = {"trained": tuple(trained.values())}
    for kind, new in _new(settings).items():
        chosen = rng.permutation(len(new))[: settings.each]
        if len(chosen):
            found[kind] = tuple(_worth(new[i], utility_of_money) for i in sorted(chosen))
    return found


def _new(settings: PolicyLineSettings) -> Mapping[str, list[Policy]]:
    """Every policy that training never draws, by kind."""
    own: dict[Payer, Prices] = {"user": settings.user, "provider": settings.provider}
    other: dict[Payer, Prices] = {"user": settings.provider, "provider": settings.user}
    known = {*settings.user, *settings.provider}
    prices = [price for price in settings.new_prices if price not in known]
    quotas = [tokens for tokens in settings.new_quotas if tokens not in settings.quotas]

    def swapped() -> Iterator[Policy]:
        for payer, theirs in other.items():
            yield from (_paid(payer, price) for price in theirs if price not in own[payer])

    return {
        "price": [_paid(payer, price) for price, payer in product(prices, own)],
        "payer": list(swapped()),
        "quota": [_quota(*one) for one in product(quotas, settings.provider, settings.user)],
    }


def _paid(payer: Payer, price: float) -> Policy:
    return Policy(name=f"{payer} {price:g}", payer=payer, price=Price(output=price))


def _quota(tokens: int, provider: float, user: float) -> Policy:
    return Policy(
        name=f"provider {provider:g}, above {tokens} user {user:g}",
        payer="provider",
        price=Price(output=provider),
        quota=Quota(tokens=tokens, price=Price(output=user)),
    )


def _worth(policy: Policy, utility_of_money: float) -> Policy:
    return policy.model_copy(update={"utility_of_money": utility_of_money})
