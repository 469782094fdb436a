"""The what-if page: a matrix under a policy whose numbers the user moves."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gtalign.chain import FORMAT_RULES, Repair
from gtalign.chain.payoff import PayoffReader
from gtalign.config import dump
from gtalign.errors import ChainError, ConfigError, GameError, GTAlignError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.bimatrix import read_object
from gtalign.game.text import form_of
from gtalign.gateway.dashboard.decision import on_record
from gtalign.gateway.dashboard.numbers import (
    OF_POLICY,
    PRICES,
    QUOTA,
    TIMES,
    TURN,
    WORTH,
    dial,
    expected_numbers,
    numbers_of,
    reach,
    read_count,
    read_expected,
    read_number,
    read_policy,
    sent_texts,
    texts_of,
)
from gtalign.gateway.dashboard.strip import Strip, strip
from gtalign.gateway.dashboard.visit import Page, Visit
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.store.reader import Filter
from gtalign.steering import (
    SOLUTION_RULES,
    Decision,
    Edit,
    Policy,
    Recommendation,
    decimals_of,
    edit,
    fit,
    flips,
    recommend,
)
from gtalign.steering.flips import NUMBERS

PATH: Final = "/what-if"

EXAMPLE: Final = """{
  "DQ_AQ": {"user": 3.0, "LLM": 2.0},
  "DQ_CQ": {"user": 2.0, "LLM": 2.0},
  "DQ_DA": {"user": 3.0, "LLM": 3.0},
  "VQ_AQ": {"user": 3.0, "LLM": 2.0},
  "VQ_CQ": {"user": 4.0, "LLM": 2.8},
  "VQ_DA": {"user": 3.3, "LLM": 3.1}
}"""
"""Who pays decides whether the LLM asks back: the example of docs/explanation/steering.md."""

_CELLS: Final = 144  # of the largest game in a file

DECIMALS: Final = 3
"""Most decimals that payoffs are rounded to here: a strip of finer ones would take too long."""

_MATRIX: Final = 20_000  # characters
_PICKED: Final = 8
_PAYOFF: Final = re.compile(r"<payoff>(.*?)(?:</payoff>|$)", re.DOTALL)
_CHOICES: Final = ("payer", "solution", "tie_break", "rho")
_VERSION: Final = "@"  # before the hash of a version; no name begins with it


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in a matrix.

    Args:
        message: The error in words.
        rule: The rule that it breaks.
        line: Where, from 1 on.
        column: Column of the error, from 1.
    """

    message: str
    rule: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A matrix, its edit by a policy, and both choices.

    Args:
        edit: The matrix before and after, and the terms.
        before: The choice before.
        after: The choice after.
        repairs: Corrections in the text of the matrix.
        decimals: That payoffs are rounded to.
        policy: The policy with the numbers that the user moved.
        strip: Where the choice flips; None if that is unknown.
        problem: Why it cannot.
    """

    edit: Edit
    before: Recommendation
    after: Recommendation
    repairs: tuple[Repair, ...]
    decimals: int
    policy: Policy
    strip: Strip | None
    problem: str


async def show(visit: Visit) -> Page:
    """The page with a matrix to begin with: an example, or that of a decision.

    Raises:
        APIError: There is no such decision (404), or it has no matrix (400).
        ConfigError: There is no such policy.
    """
    gateway, id_ = visit.gateway, visit.query_params.get("decision", "").strip()
    base = visit.query_params.get("policy", gateway.policies.default)
    first = gateway.models.first
    form, matrix = first.form, example_of(first.form)
    expected = gateway.history.expected(first.model, form)
    prompt_tokens, used_tokens = 0, 0
    if id_:
        decision = await _decision(gateway, id_)
        assert decision.stated is not None
        form, matrix = decision.form, written(decision.stated, decision.decimals)
        expected = dict(decision.expected)
        prompt_tokens, used_tokens = decision.prompt_tokens or 0, decision.used_tokens
        if "policy" not in visit.query_params:
            base = _VERSION + decision.policy_hash
            if await gateway.policies.version(decision.policy_hash) is None:
                base = gateway.policies.default
    policy = await _policy(gateway, base)
    texts = texts_of(policy, expected, prompt_tokens, used_tokens)
    along = next((one.name for one in PRICES if texts[one.name] != "0"), NUMBERS[0])
    return await _page(visit, form, base, policy, matrix, texts, _choices_of(policy), along)


async def move(visit: Visit) -> Page:
    """The page, or the part of it that a script asks for, with what the form says."""
    sent = visit.sent
    base = sent.get("policy", visit.gateway.policies.default)
    policy = await _policy(visit.gateway, base)
    models = visit.gateway.models
    form = form_in(sent.get("matrix", ""), models.forms)
    own = texts_of(policy, visit.gateway.history.expected(models.first.model, form), 0, 0)
    texts, moved = sent_texts(sent, own, form)
    choices = {name: sent.get(name, "")[:80] for name in _CHOICES}
    choices |= {"quota": "on" if sent.get("quota") else ""}
    if base != sent.get("policy.was", base) or "payer" not in sent:
        kept = {number.name for number in numbers_of(form)}
        kept -= {number.name for number in (*OF_POLICY, *QUOTA)}
        texts = own | {name: texts[name] for name in kept}
        choices = _choices_of(policy)
    along = sent.get("along", NUMBERS[0])
    if not visit.fragment and moved in NUMBERS:
        along = moved
    return await _page(visit, form, base, policy, sent.get("matrix", ""), texts, choices, along)


async def _page(
    visit: Visit,
    form: GameForm,
    base: str,
    policy: Policy,
    matrix: str,
    texts: Mapping[str, str],
    choices: Mapping[str, str],
    along: str,
) -> Page:
    gateway = visit.gateway
    outcome, fault, problem = None, None, ""
    if along not in NUMBERS:
        along = NUMBERS[0]
    try:
        steering = gateway.config.steering
        game, repairs = read_matrix(matrix, form, steering.low, steering.high)
        outcome = await asyncio.to_thread(
            _outcome, gateway, policy, matrix, game, repairs, texts, choices, along
        )
    except ChainError as error:
        fault = _fault(matrix, error)
    except GTAlignError as error:
        problem = str(error)[:500]
    dials = {number.name: dial(number, texts[number.name]) for number in numbers_of(form)}
    shown = {
        "base": base,
        "policies": gateway.policies.names(),
        "version": f"{policy.name}, as recorded ({policy.hash})" if base[:1] == _VERSION else "",
        "adjust": policy.adjust,
        "matrix": matrix,
        "choices": choices,
        "rules": tuple(SOLUTION_RULES.values()),
        "along": along,
        "labels": {n.name: n.label for n in numbers_of(form)},
        "units": {
            n.name: f"{gateway.config.dashboard.currency} {n.unit}" if n.money else n.unit
            for n in numbers_of(form)
        },
        "numbers": NUMBERS,
        "groups": {
            "tokens": (*PRICES[:2], WORTH[0]),
            "others": (*PRICES[2:], WORTH[1]),
            "times": TIMES,
            "quota": QUOTA,
            "turn": TURN,
        },
        "expected": expected_numbers(form),
        "dials": dials,
        "others": any(texts[number.name] != "0" for number in PRICES[2:]),
        "value": dials[along].text,
        "outcome": outcome,
        "fault": fault,
        "problem": problem,
        "toml": "" if outcome is None else dump(outcome.policy),
    }
    target = visit.headers.get("hx-target", "") if visit.fragment else ""
    if target == "result":
        return Page("what_if_result.jinja", shown | {"swap": True})
    if target == "what-if":
        return Page("what_if_form.jinja", shown)
    page = await gateway.reader.page(Filter(), limit=50)
    picks = [row for row in page.rows if row["before_action"] is not None]
    picks.sort(key=lambda row: not row["flipped"])
    return Page("what_if.jinja", shown | {"picks": picks[:_PICKED]})


def _outcome(
    gateway: Gateway,
    base: Policy,
    matrix: str,
    game: Bimatrix,
    repairs: tuple[Repair, ...],
    texts: Mapping[str, str],
    choices: Mapping[str, str],
    along: str,
) -> WhatIf:
    """The edit and the choices that the gateway would make; raises a GTAlignError for bad input."""
    settings = gateway.config.steering
    rho = read_rho(choices["rho"])
    policy = read_policy(base, texts, {**choices, "rho": rho})
    expected = read_expected(game.form, texts)
    use = {name: read_count(texts, name) for name in ("prompt_tokens", "used_tokens")}
    start, end = _span(matrix)
    own = decimals_of(matrix[start:end]) if settings.decimals is None else settings.decimals
    decimals, low, high = min(own, DECIMALS), settings.low, settings.high
    exact = edit(game, policy, expected, **use)
    changed = fit(exact, decimals=decimals, low=low, high=high)
    drawn, problem = None, ""
    try:
        value = read_number(texts, along)
        number = next(n for n in numbers_of(game.form) if n.name == along)
        more: Any = {"decimals": decimals, "least": low, "most": high, **use}
        found = flips(game, policy, along, 0.0, reach(number, value), expected=expected, **more)
        drawn = strip(found, game.form.llm_actions, value)
    except GTAlignError as error:
        problem = str(error)[:500]
    before = recommend(game, policy, low=low)
    after = recommend(changed.edited, policy, low=low, charges=exact.charges)
    return WhatIf(changed, before, after, repairs, decimals, policy, drawn, problem)


def example_of(form: GameForm) -> str:
    """A matrix to begin with."""
    if form == USER_LLM:
        return EXAMPLE
    rows_m, columns_n = (np.linspace(0.0, 1.0, size) for size in form.shape)
    gap_mn = np.abs(rows_m[:, None] - columns_n[None, :])
    pairs = np.stack([4 - 3 * gap_mn, 3 - 2 * gap_mn - columns_n / 2], axis=-1)
    return written(Bimatrix(form, np.round(pairs, 1)))


def form_in(text: str, forms: Sequence[GameForm]) -> GameForm:
    """The game whose cells a text names: one of some, or another that its JSON spans.

    Args:
        text: A matrix, as `read_matrix` takes it.
        forms: The games of the models; the first is meant where nobody can tell.
    """

    def named(form: GameForm) -> tuple[float, int]:
        count = sum(f'"{cell}"' in text for cell in form.cells)
        return count / len(form.cells), count

    if len(text) > _MATRIX:
        return forms[0]
    best = max(forms, key=named)
    if any(named(best)):
        return best
    try:
        other = form_of(read_object(text[slice(*_span(text))]))
    except GameError:
        return best
    return other if len(other.cells) <= _CELLS and other != USER_LLM else best


def read_matrix(
    text: str, form: GameForm, low: float, high: float
) -> tuple[Bimatrix, tuple[Repair, ...]]:
    """The matrix of a game in a text: JSON as in a chain, with its tags or not, read tolerantly.

    Raises:
        ChainError: With the rule that is broken, and where.
    """
    if len(text) > _MATRIX:
        message = f"a matrix has {_MATRIX:,} characters at most, not {len(text):,}"
        raise ChainError("payoff-syntax", _MATRIX, message)
    repairs: list[Repair] = []
    game = PayoffReader(form, low, high).read(text, *_span(text), repairs=repairs)
    return game, tuple(repairs)


def _span(text: str) -> tuple[int, int]:
    """Where the matrix of a text begins and ends."""
    block = _PAYOFF.search(text)
    return (0, len(text)) if block is None else block.span(1)


def read_rho(text: str) -> float:
    """The order of ``ces``; raises ConfigError if it is none."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"rho: a number up to 1, or -inf, not {text[:40]!r}") from None


def written(game: Bimatrix, decimals: int | None = None) -> str:
    """A matrix as text, a cell a line.

    Args:
        game: The matrix.
        decimals: That payoffs have at least; None for one.
    """

    def number(value: float) -> str:
        digits = 1 if decimals is None else decimals
        return f"{value:.{digits}f}" if round(value, digits) == value else repr(value)

    cells = (
        f'  "{key}": {{"user": {number(user)}, "LLM": {number(llm)}}}'
        for key, (user, llm) in ((key, game.cell(key)) for key in game.form.cells)
    )
    return "{\n" + ",\n".join(cells) + "\n}"


def _fault(text: str, error: ChainError) -> Fault:
    before = text[: error.position]
    line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
    return Fault(str(error), FORMAT_RULES[error.rule], line, column)


def _choices_of(policy: Policy) -> dict[str, str]:
    found = {name: str(getattr(policy, name)) for name in _CHOICES}
    return found | {"quota": "" if policy.quota is None else "on"}


async def _policy(gateway: Gateway, base: str) -> Policy:
    """The policy of a name, or of a version; raises ConfigError if there is none."""
    if not base.startswith(_VERSION):
        return gateway.policies.get(base)
    found = await gateway.policies.version(base.removeprefix(_VERSION)[:40])
    if found is None:
        raise ConfigError("policy: this version is not on record")
    return found


async def _decision(gateway: Gateway, id_: str) -> Decision:
    _, decision = await on_record(gateway, id_)
    if decision.stated is None:
        raise APIError(400, f"the decision {id_[:80]!r} has no matrix that this page can show")
    return decision
