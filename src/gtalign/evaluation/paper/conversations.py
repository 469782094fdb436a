"""Conversations with simulated users as tables: measures, arms, curves, matrices, stability."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

import numpy as np

from gtalign.dialogue.measures import MEASURES
from gtalign.drawing import COLOURS, Markup, Series, fixed, interval, join, line_chart
from gtalign.errors import DataError
from gtalign.evaluation.dialogue.held import ARMS, PRICES, Conversations
from gtalign.evaluation.dialogue.matrices import MatrixAgreement, agreements
from gtalign.evaluation.dialogue.stability import Stability, stability
from gtalign.evaluation.files import transcript_files
from gtalign.evaluation.markup import legend, plots
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.statistics import Interval
from gtalign.transcripts import Transcript, read_transcripts
from gtalign.transcripts.games import USUAL

TITLE: Final = "Conversations with simulated users"
NOTE: Final = "Below each number: its 95% interval, clustered by question."
RANKED: Final = ("goal", "welfare")
"""Measures by which the order of models is compared between users."""

_PAIRS: Final = {
    "ask less baseline": ("ask", "baseline"),
    "full less ask": ("full", "ask"),
}
_DIFFERING: Final = ("goal", "quality", "satisfied", "user_welfare", "llm_welfare", "welfare")


def conversations(study: Study) -> Report:
    """The table: every measure of every model with every user in every arm."""
    found = Conversations.read(held(study))
    return conversations_report(found, agreements(held(study)), seed=study.seed)


def held(study: Study) -> Iterator[Transcript]:
    """Yield the conversations of some runs; a model in several runs gets a name in each.

    Raises:
        DataError: A file is wrong, or the runs are of several games.
    """
    files = transcript_files(study.paths, "conversations")
    firsts = [next(iter(read_transcripts(file)), None) for file in files]
    games = dict.fromkeys(first.game for first in firsts if first is not None)
    if len(games) > 1:
        told = " and ".join(game or USUAL for game in games)
        raise DataError(f"conversations of several games: {told}; compare those of one")
    names = ["" if first is None else first.model for first in firsts]
    for file, name in zip(files, names, strict=True):
        several = names.count(name) > 1  # as of one model under two policies
        for transcript in read_transcripts(file):
            model = f"{transcript.model} ({file.resolve().parent.name})"
            yield replace(transcript, model=model) if several else transcript


def conversations_report(
    found: Conversations, matrices: Sequence[MatrixAgreement] = (), seed: int = 0
) -> Report:
    """Make the table.

    Args:
        found: The conversations.
        matrices: How stated matrices agree with those that were played.
        seed: Seed of the resamples of the stability.

    Raises:
        DataError: There are no conversations.
    """
    if not found.rows and not matrices:
        raise DataError("no conversations: gtalign converse plays them")
    rng = np.random.default_rng(seed)
    orders = [one for name in RANKED if (one := stability(found, name, rng)) is not None]
    sheets = [_measures(found, user) for user in found.users]
    sheets += [sheet for sheet in (_differences(found), _utility(found)) if sheet.rows]
    if matrices:
        sheets += [_agreement(matrices), _payoffs(matrices)]
    if orders:
        sheets.append(_stability(orders))
    sentences = [*_findings(found), *map(_agrees, matrices), *map(_stays, orders)]
    return Report("conversations", TITLE, sentences, sheets, _pictures(found))


def _findings(found: Conversations) -> Iterator[str]:
    for model, user in product(found.models, found.users):
        reached = [
            f"{arm} {said(found.interval(model, user, arm, 'goal'))}"
            for arm in found.arms
            if found.of(model, user, arm)
        ]
        if reached:
            yield f"{model} with {user}: goal reached, {', '.join(reached)}."
        held = [row for row in found.rows if (row.model, row.user) == (model, user)]
        for who in ("user", "assistant"):
            if count := sum(row.failed == who for row in held):
                of = f"{count} of {len(held)} conversations"
                yield f"{model} with {user}: {of} failed at the {who}."


def _agrees(one: MatrixAgreement) -> str:
    stated, regret = one.correlation(), one.regret
    if not one.carried.value:
        return f"{one.model} with {one.user}: no forced answer carried out its action."
    if stated.value is None:
        return f"{one.model} with {one.user}: no matrix was stated that could be compared."
    return (
        f"{one.model} with {one.user}: stated and played payoffs have a rank correlation of"
        f" {said(stated)} over {one.questions} questions; the choice of the stated matrix loses"
        f" {said(regret)}."
    )


def _stays(one: Stability) -> str:
    taus = [tau.value for tau in one.tau.values() if tau.value is not None]
    least = f"Kendall's tau {fixed(min(taus), 2)} or more" if taus else "no order to compare"
    return (
        f"Order of {len(one.models)} models by {MEASURES[one.measure].label.lower()} under"
        f" {len(one.users)} users: {least}; one model is best under every user in"
        f" {fixed(100 * one.same_best, 0)}% of resamples of the questions."
    )


def said(found: Interval, digits: int = 2, *, sign: bool = False) -> str:
    """A number with its interval, in one line."""
    reach = interval(found.low, found.high, digits, sign=sign)
    return f"{fixed(found.value, digits, sign=sign)} {reach}".rstrip()


def lines_of(found: Interval, digits: int = 2, *, sign: bool = False) -> Lines:
    """A number, and its interval below it."""
    reach = interval(found.low, found.high, digits, sign=sign)
    return (fixed(found.value, digits, sign=sign), *([reach] if reach else []))


def numbers_of(found: Interval) -> dict[str, Any]:
    """A number with its interval as plain values."""
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def _columns(found: Conversations, user: str) -> list[tuple[str, str]]:
    pairs = product(found.models, found.arms)
    return [(model, arm) for model, arm in pairs if found.of(model, user, arm)]


def _measures(found: Conversations, user: str) -> Sheet:
    columns = _columns(found, user)
    several = len(found.models) > 1
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for name, measure in MEASURES.items():
        values = [found.interval(model, user, arm, name) for model, arm in columns]
        if all(value.value is None for value in values):
            continue
        rows.append([(measure.label,), *(lines_of(value, measure.digits) for value in values)])
        records += [
            {"model": model, "user": user, "arm": arm, "measure": name, **numbers_of(value)}
            for (model, arm), value in zip(columns, values, strict=True)
        ]
    counts = [len(found.of(model, user, arm)) for model, arm in columns]
    failed = [found.failed(model, user, arm) for model, arm in columns]
    for name, numbers in (("Conversations", counts), ("Failed", failed)):
        rows.append([(name,), *((str(number),) for number in numbers)])
        records += [
            {"model": m, "user": user, "arm": a, "measure": name.lower(), "value": number}
            for (m, a), number in zip(columns, numbers, strict=True)
        ]
    head = ["", *(f"{model}, {arm}" if several else arm for model, arm in columns)]
    notes = [NOTE, *(f"{arm}: {ARMS[arm]}." for arm in found.arms)]
    notes += [f"{measure.label}: {measure.says}" for measure in MEASURES.values()]
    return Sheet(f"conversations-{user}", f"With the user {user}", head, rows, records, notes)


def _differences(found: Conversations) -> Sheet:
    columns = list(product(found.models, found.users))
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for label, arms in _PAIRS.items():
        if not set(arms) <= set(found.arms):
            continue
        for name in _DIFFERING:
            values = [found.difference(model, user, arms, name) for model, user in columns]
            title = f"{MEASURES[name].label}, {label}"
            rows.append([(title,), *(lines_of(value, sign=True) for value in values)])
            records += [
                {"model": m, "user": u, "arms": label, "measure": name, **numbers_of(value)}
                for (m, u), value in zip(columns, values, strict=True)
            ]
    head = ["", *_named(found, columns)]
    return Sheet(
        "conversations-differences",
        "What asking brings",
        head,
        rows,
        records,
        [NOTE, "Differences are paired by question."],
    )


def _utility(found: Conversations) -> Sheet:
    columns = [
        (model, user, arm)
        for model, user in product(found.models, found.users)
        for arm in found.arms
        if found.of(model, user, arm)
    ]
    curves = [found.curve(*column) for column in columns]
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for place, price in enumerate(PRICES):
        values = [curve[place] for curve in curves]
        rows.append([(fixed(price, 2),), *(lines_of(value) for value in values)])
        records += [
            {"model": m, "user": u, "arm": a, "price": price, **numbers_of(value)}
            for (m, u, a), value in zip(columns, values, strict=True)
        ]
    head = ["cost of a question", *(f"{m}, {u}, {a}" for m, u, a in columns)]
    if len(found.models) == 1:
        head = ["cost of a question", *(f"{user}, {arm}" for _, user, arm in columns)]
    return Sheet(
        "conversations-utility",
        "Utility against the cost of asking",
        head,
        rows,
        records,
        [NOTE, "Quality less the cost of every question asked, in right answers."],
    )


def _agreement(matrices: Sequence[MatrixAgreement]) -> Sheet:
    measured = {
        "Rank correlation, sums": [one.correlation() for one in matrices],
        "Rank correlation, user's payoffs": [one.correlation(0) for one in matrices],
        "Rank correlation, LLM's payoffs": [one.correlation(1) for one in matrices],
        "Regret of the stated choice": [one.regret for one in matrices],
        "Forced action carried out": [one.carried for one in matrices],
        "True against played, sums": [one.truth for one in matrices],
    }
    rows: list[list[Lines]] = [
        [(name,), *(lines_of(value) for value in values)] for name, values in measured.items()
    ]
    rows.append([("Questions",), *((str(one.questions),) for one in matrices)])
    records = [
        {"model": one.model, "user": one.user, "measure": name, **numbers_of(value)}
        for name, values in measured.items()
        for one, value in zip(matrices, values, strict=True)
    ]
    notes = [
        NOTE,
        "Each action is forced in the first answer, the conversation is played out, and the welfare"
        " of both sides is averaged. Rank correlation: Spearman's, over the cells of a question.",
        "Regret: what the action of the stated optimum loses in the sum of both played payoffs, in"
        " the row of the question as asked.",
    ]
    head = ["", *(f"{one.model}, {one.user}" for one in matrices)]
    return Sheet("conversations-matrices", "Stated and played payoffs", head, rows, records, notes)


def _payoffs(matrices: Sequence[MatrixAgreement]) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for cell in dict.fromkeys(cell for one in matrices for cell in one.form.cells):
        means = [(one.mean(cell, 0), one.mean(cell, 1)) for one in matrices]
        rows.append([(cell,), *((f"{fixed(u.value, 2)}, {fixed(m.value, 2)}",) for u, m in means)])
        records += [
            {"model": one.model, "user": one.user, "cell": cell, "side": side, **numbers_of(value)}
            for one, both in zip(matrices, means, strict=True)
            for side, value in zip(("user", "LLM"), both, strict=True)
        ]
    head = ["", *(f"{one.model}, {one.user}" for one in matrices)]
    return Sheet("conversations-payoffs", "Mean played payoffs (user, LLM)", head, rows, records)


def _stability(orders: Sequence[Stability]) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in orders:
        label = MEASURES[one.measure].label
        numbers = {f"tau, {a} and {b}": tau.value for (a, b), tau in one.tau.items()}
        numbers |= {
            "Kendall's W of all users": one.concordance,
            "same best model, share of resamples": one.same_best,
            "same order, share of resamples": one.same_order,
        }
        rows += [[(f"{label}: {name}",), (fixed(value, 2),)] for name, value in numbers.items()]
        records += [
            {"measure": one.measure, "figure": name, "value": value}
            for name, value in numbers.items()
        ]
    notes = [
        "On the questions that every model has with every user, in the arm ask. The table users"
        " (gtalign compare --table users) has every pair of models, with intervals."
    ]
    return Sheet(
        "conversations-stability",
        "Does the order of models stay?",
        ["", "value"],
        rows,
        records,
        notes,
    )


def _pictures(found: Conversations) -> Markup | None:
    colours = {arm: COLOURS[place % len(COLOURS)] for place, arm in enumerate(found.arms)}
    charts = []
    for model, user in product(found.models, found.users):
        curves = {
            arm: zip(PRICES, found.curve(model, user, arm), strict=True)
            for arm in found.arms
            if found.of(model, user, arm)
        }
        series = [
            Series(arm, colours[arm], [(x, y.value) for x, y in curve if y.value is not None])
            for arm, curve in curves.items()
        ]
        title = f"{model} with {user}: utility against the cost of a question"
        charts.append(line_chart(title, series, "cost of a question", "utility"))
    drawn = plots([chart for chart in charts if chart])
    return None if drawn is None else join(legend(colours), drawn)


def _named(found: Conversations, columns: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{model}, {user}" if len(found.models) > 1 else user for model, user in columns]
