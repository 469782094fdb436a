"""The effects of steering as a section of a report, and the same tables on the terminal."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.chain import BLOCKS
from gtalign.drawing import (
    COLOURS,
    Markup,
    Whisker,
    element,
    fixed,
    interval,
    interval_chart,
    join,
)
from gtalign.evaluation.conversation import article_head, bubble, chain_of
from gtalign.evaluation.markup import Cell, Row, fold, plots, section, small, table
from gtalign.evaluation.statistics import Interval
from gtalign.evaluation.steering.effects import EFFECTS, Effect, Trial, decision_of
from gtalign.evaluation.tables import beside_each_other
from gtalign.game.wording import LEGEND
from gtalign.steering.decision import Decision
from gtalign.steering.table import game_table
from gtalign.tasks import task_named
from gtalign.transcripts import Transcript

SHOWN = tuple(name for name in EFFECTS if name != "quality")
CONTRASTED = ("obeyed", "tokens", "computed", "user", "llm", "sum", "W")
CONTRASTS = (("advise", "observe"), ("enforce", "observe"), ("enforce", "reask"))
"""Pairs of ways to compare under one policy; the second of each pair is the baseline."""


def steering_section(trial: Trial, seconds: Mapping[str, float]) -> Markup:
    """The section of the page: every arm, their differences, and one decision in full.

    Args:
        trial: The measures.
        seconds: Mean seconds of an answer by arm; arms without a measurement may be missing.
    """
    policies = _by_policy(trial)
    body: list[Markup | None] = [_chart(trial, policies)]
    for policy, arms in policies.items():
        body += [element("h3", policy), _estimates(trial, arms, seconds)]
        body.append(_contrasts(trial, policy, arms))
    body.append(_between(trial, list(policies)))
    notes = (
        element("li", element("strong", EFFECTS[name].label), f": {EFFECTS[name].note}")
        for name in SHOWN
    )
    body.append(fold("Every measure in a sentence", element("ul", notes, class_="notes")))
    chosen = example(trial)
    if chosen is not None:
        articles = element("div", map(decision_article, chosen), class_="talks")
        body += [element("h3", "One decision"), articles]
    observe, advise, enforce, reask = (
        element("code", way) for way in ("observe", "advise", "enforce", "reask")
    )
    return section(
        "Steering",
        (
            "The same questions and the same seeds under each pricing policy. ",
            (observe, " lets the model write on and records what the policy would change; "),
            (advise, " splices the edited matrix into the message while it is being written, and "),
            ("the model analyses it itself; ", enforce, " also opens the analysis with the "),
            ("recommended cell; ", reask, " asks a second time with an instruction, as the "),
            "released code does. Means with 95% intervals, clustered by question; differences are "
            f"paired by question. {LEGEND}",
        ),
        *body,
    )


def print_steering(console: Console, trial: Trial) -> None:
    """Every arm of a trial on the terminal, a table for each policy.

    Arms that do not fit beside each other continue in a further table.
    """
    tables = (
        (policy, arms)
        for policy, every in _by_policy(trial).items()
        for arms in beside_each_other(console, every)
    )
    for policy, arms in tables:
        shown = Table(
            title=f"Steering under {policy}",
            box=SIMPLE_HEAD,
            title_justify="left",
            padding=(0, 1, 0, 0),
        )
        shown.add_column("", no_wrap=True)
        for arm in arms:
            shown.add_column(_way(arm), justify="right", no_wrap=True)
        for name in SHOWN:
            texts = (_text(trial.mean(arm, name), EFFECTS[name]) for arm in arms)
            shown.add_row(EFFECTS[name].label, *("\n".join(filter(None, t)) for t in texts))
        console.print(shown)


def _by_policy(trial: Trial) -> dict[str, list[str]]:
    """Names of the arms of each policy."""
    found: dict[str, list[str]] = {}
    for arm in trial.arms:
        found.setdefault(arm.rpartition(", ")[0], []).append(arm)
    return found


def example(trial: Trial) -> list[Transcript] | None:
    """One vague question under two policies whose prices flip the action.

    The rule takes the first question on which the response asks under the first policy and, under
    the second, does not ask or also answers. There the edited matrix recommends that action and the
    stated one does not. Only asking comes before answering and asking, and advising before
    enforcing. The published harmful requests are real and are not quoted.
    """
    policies = _by_policy(trial)
    changes = (["CQ", "DA"], ["CQ", "AQ"], ["AQ", "DA"])
    for change, way in itertools.product(changes, ("advise", "enforce")):
        for pair in itertools.combinations(policies, 2):
            arms = [trial.transcripts.get(f"{policy}, {way}", {}) for policy in pair]
            for question in (q for q in arms[0] if q in arms[1]):
                both = [arm[question] for arm in arms]
                decisions = [decision_of(transcript) for transcript in both]
                if both[0].extra.get("user_action") != "VQ" or _is_harmful(both[0]):
                    continue
                acts = [decision.acted for decision in decisions]
                if acts == change and decisions[1].flipped and decisions[1].obeyed:
                    return both
    return None


def _is_harmful(transcript: Transcript) -> bool:
    return task_named(transcript.task).kind == "safety"


def decision_article(transcript: Transcript) -> Markup:
    """One decision in full: both matrices, each term of the edit, and the text written."""
    decision = decision_of(transcript)
    games = []
    if decision.stated is not None and decision.before is not None:
        games.append(game_table(decision.stated, "As the model wrote it", decision.before))
    if decision.edited is not None and decision.after is not None:
        games.append(game_table(decision.edited, "The model continued from", decision.after))
    if transcript.chain is not None:
        thinking, _, analysis, response = (str(transcript.chain[name]) for name in BLOCKS)
        written = join(
            chain_of(thinking, games, _why(decision), analysis), bubble("assistant", response)
        )
    else:
        written = element("div", element("pre", transcript.completion), class_="bubble llm")
    facts = f"{decision.mode} · policy {decision.policy_hash} · {transcript.id}"
    return element(
        "article",
        article_head(decision.policy, facts, element("span", _moves(decision))),
        (bubble(message["role"], message["content"]) for message in transcript.prompt),
        written,
        class_="talk",
    )


def _moves(decision: Decision) -> Markup:
    if decision.before is None or decision.after is None:
        return join("unsteered")
    before, after = decision.before.cell, decision.after.cell
    return join(f"{before} → ", element("b", after)) if before != after else join(after)


def _why(decision: Decision) -> Markup:
    rows = [
        Row(
            term.name,
            [
                Cell("LLM" if term.player == "llm" else term.player, "left"),
                Cell(_amounts(term.amounts), "left"),
                Cell(term.why, "left why"),
            ],
        )
        for term in decision.terms
    ]
    if not rows:
        return element("p", "The policy changes nothing.", class_="choice")
    head = element("h4", "Each term of the edit")
    return join(head, table(["term", "whose", "points", "why"], rows))


def _amounts(amounts: Mapping[str, float]) -> str:
    """Amounts by action where all its cells have the same, else by cell."""
    by_action: dict[str, set[float]] = {}
    for cell, amount in amounts.items():
        by_action.setdefault(cell.partition("_")[2], set()).add(round(amount, 6))
    if all(len(values) == 1 for values in by_action.values()):
        shown = {action: values.pop() for action, values in by_action.items()}
    else:
        shown = dict(amounts)
    return ", ".join(f"{name} {fixed(value, 2, sign=True)}" for name, value in shown.items())


def _chart(trial: Trial, policies: Mapping[str, Sequence[str]]) -> Markup | None:
    """How often each way of steering has its effect: one chart for all policies.

    It shows the flips that are carried out; a policy under which nothing flips has no rows.
    """
    effect = EFFECTS["followed"]
    sets = []
    for policy, arms in policies.items():
        rows = []
        for place, arm in enumerate(arms):
            mean = trial.mean(arm, "followed")
            if mean.value is not None and isfinite(mean.value):
                low = mean.value if mean.low is None else mean.low
                high = mean.value if mean.high is None else mean.high
                colour = COLOURS[place % len(COLOURS)]
                rows.append(Whisker(_way(arm), colour, mean.value, low, high))
        sets.append((policy, rows))
    title = f"{effect.label}: share of the answers whose action the edit flips"
    return plots([interval_chart(title, sets, effect.digits, within=(0.0, 1.0))])


def _estimates(trial: Trial, arms: Sequence[str], seconds: Mapping[str, float]) -> Markup:
    rows = [_row(name, (trial.mean(arm, name) for arm in arms)) for name in SHOWN]
    if any(arm in seconds for arm in arms):
        times = [Cell(fixed(seconds.get(arm), 2)) for arm in arms]
        rows.append(Row("Seconds an answer", times, "count"))
    return table(["", *map(_way, arms)], rows)


def _contrasts(trial: Trial, policy: str, arms: Sequence[str]) -> Markup | None:
    pairs = [
        (f"{policy}, {one}", f"{policy}, {other}")
        for one, other in CONTRASTS
        if f"{policy}, {one}" in arms and f"{policy}, {other}" in arms
    ]
    if not pairs:
        return None
    heads = [f"{_way(one)} less {_way(other)}" for one, other in pairs]
    rows = [
        _row(name, (trial.difference(one, other, name) for one, other in pairs), sign=True)
        for name in CONTRASTED
    ]
    return fold("Differences", table(["", *heads], rows), unfolded=True)


def _between(trial: Trial, policies: Sequence[str]) -> Markup | None:
    """The differences of the second policy from the first, for each way of steering."""
    if len(policies) < 2:
        return None
    first, second = policies[:2]
    ways = [
        way
        for way in dict.fromkeys(map(_way, trial.arms))
        if {f"{first}, {way}", f"{second}, {way}"} <= set(trial.arms)
    ]
    pairs = [(f"{second}, {way}", f"{first}, {way}") for way in ways]
    moved = Effect("Another action", "")
    rows = [_cells(moved, (trial.moved(*pair) for pair in pairs))]
    rows += [
        _row(name, (trial.difference(*pair, name) for pair in pairs), sign=True)
        for name in ("DA", "CQ", "AQ", "tokens")
    ]
    return join(element("h3", f"{second} less {first}"), table(["", *ways], rows))


def _way(arm: str) -> str:
    """The way of steering that an arm is named after, without its policy."""
    return arm.rpartition(", ")[2]


def _row(name: str, means: Iterable[Interval], *, sign: bool = False) -> Row:
    return _cells(EFFECTS[name], means, sign=sign)


def _cells(effect: Effect, means: Iterable[Interval], *, sign: bool = False) -> Row:
    texts = (_text(mean, effect, sign=sign) for mean in means)
    return Row(effect.label, [Cell((value, small([reach]))) for value, reach in texts])


def _text(mean: Interval, effect: Effect, *, sign: bool = False) -> tuple[str, str]:
    return (
        fixed(mean.value, effect.digits, sign=sign),
        interval(mean.low, mean.high, effect.digits, sign=sign),
    )
