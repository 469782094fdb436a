"""The part of a report that shows what steering did, and the same tables on the terminal."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gtalign.chain import BLOCKS
from gtalign.evaluation.charts import section
from gtalign.evaluation.conversation import matrix
from gtalign.evaluation.markup import table
from gtalign.evaluation.statistics import Interval
from gtalign.evaluation.steering.effects import EFFECTS, Effect, Trial, decision_of
from gtalign.evaluation.tables import beside_each_other, interval, number
from gtalign.steering.decision import Decision
from gtalign.tasks import task_named
from gtalign.transcripts import Transcript

SHOWN = tuple(name for name in EFFECTS if name != "quality")
CONTRASTED = ("obeyed", "tokens", "computed", "user", "llm", "sum", "W")
CONTRASTS = (("advise", "observe"), ("enforce", "observe"), ("enforce", "reask"))
"""Ways that are set against each other under one policy: the second is the baseline."""


def steering_section(trial: Trial, seconds: Mapping[str, float]) -> str:
    """The section of the page: every arm, their differences, and one decision in full.

    Args:
        trial: The measures.
        seconds: Mean seconds of an answer by arm, as far as they are known.
    """
    policies = _by_policy(trial)
    body = ""
    for policy, arms in policies.items():
        body += f"<h3>{escape(policy)}</h3>{_estimates(trial, arms, seconds)}"
        body += _contrasts(trial, policy, arms)
    body += _between(trial, list(policies))
    chosen = example(trial)
    if chosen is not None:
        articles = "".join(decision_article(transcript) for transcript in chosen)
        body += f'<h3>One decision</h3><div class="talks">{articles}</div>'
    return section(
        "Steering",
        "The same questions and the same seeds under each pricing policy. <code>observe</code> "
        "lets the model write on and records what the policy would change; <code>advise</code> "
        "splices the edited matrix into the message while it is being written, and the model "
        "analyses it itself; <code>enforce</code> also opens the analysis with the recommended "
        "cell; <code>reask</code> asks a second time with an instruction, as the released code "
        "does. Means with 95% intervals, clustered by question; differences are paired by "
        "question.",
        body,
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
            shown.add_column(arm.rpartition(", ")[2], justify="right", no_wrap=True)
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
    """The same vague question under two policies, where the prices flip what is done.

    Chosen by rule: the first question on which the response asks under the first policy and asks
    no more, or no longer without an answer, under the second, as the edit there recommends and the
    stated matrix did not. To only ask comes before to answer and ask, and advising before
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


def decision_article(transcript: Transcript) -> str:
    """One decision in full: both matrices, each term of the edit, and what was written."""
    decision = decision_of(transcript)
    said = "".join(
        f'<div class="bubble {"user" if m["role"] == "user" else "llm"}">'
        f'<div class="text">{escape(m["content"])}</div></div>'
        for m in transcript.prompt
    )
    games = ""
    if decision.stated is not None and decision.before is not None:
        games += matrix(decision.stated.to_json(), "As the model wrote it", decision.before.cell)
    if decision.edited is not None and decision.after is not None:
        games += matrix(decision.edited.to_json(), "As it went on from", decision.after.cell)
    written = ""
    if transcript.chain is not None:
        chain = transcript.chain
        written = (
            f"<h4>Thinking</h4><div class='text'>{escape(str(chain[BLOCKS[0]]))}</div>"
            f"<h4>Payoffs</h4><div class='games'>{games}</div>{_why(decision)}"
            f"<h4>Analysis</h4><div class='text'>{escape(str(chain[BLOCKS[2]]))}</div>"
        )
        said_last = f"<div class='text'>{escape(str(chain[BLOCKS[3]]))}</div>"
    else:
        said_last = f"<pre>{escape(transcript.completion)}</pre>"
    return (
        f'<article class="talk"><header><div><h3>{escape(decision.policy)}</h3>'
        f"<p>{escape(decision.mode)} · policy {escape(decision.policy_hash)} · "
        f"{escape(transcript.id)}</p></div>"
        f'<div class="welfare"><span>{_moves(decision)}</span></div></header>'
        f'{said}<div class="chain">{written}</div><div class="bubble llm">{said_last}</div>'
        "</article>"
    )


def _moves(decision: Decision) -> str:
    if decision.before is None or decision.after is None:
        return "unsteered"
    before, after = decision.before.cell, decision.after.cell
    return f"{escape(before)} → <b>{escape(after)}</b>" if before != after else escape(after)


def _why(decision: Decision) -> str:
    rows = [
        f"<tr><th>{escape(term.name)}</th><td class='left'>{escape(term.player)}</td>"
        f"<td class='left'>{escape(_amounts(term.amounts))}</td>"
        f"<td class='left why'>{escape(term.why)}</td></tr>"
        for term in decision.terms
    ]
    if not rows:
        return "<p class='choice'>The policy changes nothing.</p>"
    return "<h4>Each term of the edit</h4>" + table(["term", "whose", "points", "why"], rows)


def _amounts(amounts: Mapping[str, float]) -> str:
    """Amounts by action where all its cells have the same, else by cell."""
    by_action: dict[str, set[float]] = {}
    for cell, amount in amounts.items():
        by_action.setdefault(cell.partition("_")[2], set()).add(round(amount, 6))
    if all(len(values) == 1 for values in by_action.values()):
        shown = {action: values.pop() for action, values in by_action.items()}
    else:
        shown = dict(amounts)
    return ", ".join(f"{name} {number(value, 2, sign=True)}" for name, value in shown.items())


def _estimates(trial: Trial, arms: Sequence[str], seconds: Mapping[str, float]) -> str:
    ways = [arm.rpartition(", ")[2] for arm in arms]
    rows = [_row(name, (trial.mean(arm, name) for arm in arms)) for name in SHOWN]
    if any(arm in seconds for arm in arms):
        times = "".join(f"<td>{number(seconds.get(arm), 2)}</td>" for arm in arms)
        rows.append(f"<tr class='count'><th>Seconds an answer</th>{times}</tr>")
    return table(["", *(escape(way) for way in ways)], rows)


def _contrasts(trial: Trial, policy: str, arms: Sequence[str]) -> str:
    pairs = [
        (f"{policy}, {one}", f"{policy}, {other}")
        for one, other in CONTRASTS
        if f"{policy}, {one}" in arms and f"{policy}, {other}" in arms
    ]
    if not pairs:
        return ""
    heads = (
        f"{escape(one.rpartition(', ')[2])} less {escape(other.rpartition(', ')[2])}"
        for one, other in pairs
    )
    rows = [
        _row(name, (trial.difference(one, other, name) for one, other in pairs), sign=True)
        for name in CONTRASTED
    ]
    return "<details open><summary>Differences</summary>" + table(["", *heads], rows) + "</details>"


def _between(trial: Trial, policies: Sequence[str]) -> str:
    """What the second policy changes against the first, in each way."""
    if len(policies) < 2:
        return ""
    first, second = policies[:2]
    ways = [
        way
        for way in dict.fromkeys(arm.rpartition(", ")[2] for arm in trial.arms)
        if {f"{first}, {way}", f"{second}, {way}"} <= set(trial.arms)
    ]
    pairs = [(f"{second}, {way}", f"{first}, {way}") for way in ways]
    moved = Effect("Another action", "")
    rows = [_cells(moved, (trial.moved(*pair) for pair in pairs))]
    rows += [
        _row(name, (trial.difference(*pair, name) for pair in pairs), sign=True)
        for name in ("DA", "CQ", "AQ", "tokens")
    ]
    head = f"<h3>{escape(second)} less {escape(first)}</h3>"
    return head + table(["", *(escape(way) for way in ways)], rows)


def _row(name: str, means: Iterator[Interval], *, sign: bool = False) -> str:
    return _cells(EFFECTS[name], means, sign=sign)


def _cells(effect: Effect, means: Iterator[Interval], *, sign: bool = False) -> str:
    cells = ""
    for mean in means:
        value, reach = _text(mean, effect, sign=sign)
        cells += f"<td>{value}<small>{reach}</small></td>"
    return f'<tr><th title="{escape(effect.note)}">{escape(effect.label)}</th>{cells}</tr>'


def _text(mean: Interval, effect: Effect, *, sign: bool = False) -> tuple[str, str]:
    return (
        number(mean.value, effect.digits, sign=sign),
        interval(mean.low, mean.high, effect.digits, sign=sign),
    )
