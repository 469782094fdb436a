"""One transcript as HTML that a person would want to read.

Every text of a transcript was written by somebody else; all of it is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from gtalign.evaluation.metrics import chosen_action, form_of, measure
from gtalign.evaluation.tables import number
from gtalign.game import TOLERANCE, pareto_frontier
from gtalign.transcripts.transcript import Transcript

Payoff = Mapping[str, Mapping[str, float]]


def conversation(transcript: Transcript, others: Sequence[Transcript] = (), note: str = "") -> str:
    """A transcript as an article: question, reasoning, matrix, response, verdict and factors.

    Args:
        transcript: What to show.
        others: Answers of other models to the same question, folded away below it.
        note: Why this one is shown.
    """
    parts = [
        _head(transcript, note),
        *(_bubble(m["role"], m["content"]) for m in transcript.prompt),
    ]
    if transcript.chain is not None:
        parts.append(_chain(transcript, transcript.chain))
        parts.append(_bubble("assistant", str(transcript.chain["response"])))
    elif transcript.plain:
        parts.append(_bubble("assistant", transcript.completion))
    else:
        parts.append(
            f'<div class="broken"><p>This answer does not parse: '
            f"{escape(transcript.chain_error or 'no chain')}</p>"
            f"<pre>{escape(transcript.completion)}</pre></div>"
        )
    parts.append(_verdicts(transcript))
    if others:
        parts.append(_others(others))
    return f'<article class="talk">{"".join(parts)}</article>'


def matrix(payoff: Payoff, title: str, chosen: str | None = None, row: str | None = None) -> str:
    """A matrix as a coloured table.

    Args:
        payoff: In its JSON form.
        title: Caption.
        chosen: Cell to outline.
        row: User action to mark as the one really played.
    """
    form = form_of(*payoff)
    values_mn2 = np.array(
        [
            [(payoff[form.cell(i, j)]["user"], payoff[form.cell(i, j)]["LLM"]) for j in range(n)]
            for n in [form.shape[1]]
            for i in range(form.shape[0])
        ]
    )
    on_frontier = pareto_frontier(values_mn2)
    sums = values_mn2.sum(axis=2)
    top = float(np.abs(sums).max()) or 1.0
    head = "".join(f"<th>{escape(action)}</th>" for action in form.llm_actions)
    body = ""
    for i, user in enumerate(form.user_actions):
        mark = ' class="played"' if user == row else ""
        body += f"<tr><th{mark}>{escape(user)}</th>"
        for j in range(form.shape[1]):
            key = form.cell(i, j)
            kinds = ["cell", "good" if sums[i, j] >= 0 else "bad"]
            kinds += ["chosen"] if key == chosen else []
            strength = round(55 * abs(float(sums[i, j])) / top)
            star = '<i title="on the Pareto frontier">◆</i>' if on_frontier[i, j] else ""
            body += (
                f'<td class="{" ".join(kinds)}" style="--s:{strength}%">{star}<div>'
                f"<small>U</small><b>{_payoff(values_mn2[i, j, 0])}</b>"
                f"<small>L</small><span>{_payoff(values_mn2[i, j, 1])}</span></div>"
                "</td>"
            )
        body += "</tr>"
    return (
        f'<table class="game"><caption>{escape(title)}</caption>'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _head(transcript: Transcript, note: str) -> str:
    seed = "" if transcript.seed is None else f" · seed {transcript.seed}"
    welfare = " ".join(
        f"<span>{label} <b>{number(value, 2)}</b></span>"
        for label, value in (
            ("U", transcript.user_welfare),
            ("L", transcript.answer_llm_welfare if transcript.plain else transcript.llm_welfare),
            (
                "W",
                transcript.answer_mutual_welfare if transcript.plain else transcript.mutual_welfare,
            ),
        )
    )
    return (
        f"<header><div><h3>{escape(transcript.task)}</h3><p>{escape(transcript.model)}{seed}"
        f" · {escape(transcript.id)}{f' · {escape(note)}' if note else ''}</p></div>"
        f'<div class="welfare">{welfare}</div></header>'
    )


def _bubble(role: str, text: str) -> str:
    if role == "system":
        return f'<details class="system"><summary>System message</summary>{_lines(text)}</details>'
    who = "user" if role == "user" else "llm"
    return f'<div class="bubble {who}">{_lines(text)}</div>'


def _chain(transcript: Transcript, chain: Mapping[str, object]) -> str:
    cell, action = chosen_action(transcript)
    true = transcript.extra.get("true_payoff")
    user_action = transcript.extra.get("user_action")
    stated = chain["payoff"]
    assert isinstance(stated, Mapping)
    games = matrix(stated, "The model's matrix", cell)
    if isinstance(true, Mapping) and true:
        played = f"{user_action}_{action}" if user_action and action else None
        games += matrix(true, "The true matrix", played, str(user_action))
    return (
        '<div class="chain">'
        f"<h4>Thinking</h4>{_lines(str(chain['thinking']))}"
        f'<h4>Payoffs</h4><div class="games">{games}</div>'
        f"{_choice(transcript, stated, cell, action)}"
        f"<h4>Analysis</h4>{_lines(str(chain['analyze']))}</div>"
    )


def _choice(transcript: Transcript, stated: Payoff, cell: str | None, action: str | None) -> str:
    """What was chosen and whether it was wise, in a sentence."""
    if action is None:
        says = "No single choice can be read from the analysis."
    else:
        says = f"Chosen: <b>{escape(cell or action)}</b>"
        if cell is not None and cell in stated:
            form = form_of(*stated)
            keys = list(form.cells)
            values = np.array([(stated[k]["user"], stated[k]["LLM"]) for k in keys])
            kept = pareto_frontier(values.reshape(*form.shape, 2)).ravel()
            says += f", {'on' if kept[keys.index(cell)] else 'off'} its own frontier"
        found = measure(transcript)
        if (regret := found["payoff_regret"]) is not None:
            says += (
                ", the best action for what the user really did"
                if regret <= TOLERANCE
                else f", {number(regret, 2)} short of the best for what the user really did"
            )
        says += "."
        if (correlation := found["payoff_correlation"]) is not None:
            says += f" Stated and true payoffs correlate at {number(correlation, 2)}."
    return (
        f'<p class="choice">{says}</p><p class="legend">U user · L LLM · '
        "<i>◆</i> Pareto frontier · <u>outlined</u> chosen</p>"
    )


def _verdicts(transcript: Transcript) -> str:
    lines = "".join(
        f"<p><b>{escape(v.judge)}</b> "
        f"{number(v.score, 2) if v.score is not None else 'no score'} — {escape(v.reason)}</p>"
        for v in transcript.verdicts
    )
    if transcript.unscored:
        lines += f'<p class="warn">Unscored: {escape(transcript.unscored)}</p>'
    bars = "".join(
        f'<div><span>{escape(name.replace("_", " "))}</span><meter min="0" max="1" '
        f'value="{min(1.0, max(0.0, value)):.3f}"></meter><b>{number(value, 2)}</b></div>'
        for name, value in transcript.factors.items()
        if value is not None
    )
    total = transcript.tokens.get("total")
    tail = f"<p>{total} tokens</p>" if total is not None else ""
    return f'<footer>{lines}{tail}<div class="factors">{bars}</div></footer>'


def _others(others: Sequence[Transcript]) -> str:
    rows = ""
    for other in others:
        if other.chain is not None:
            text = str(other.chain["response"])
        elif other.plain:
            text = other.completion
        else:
            text = f"(does not parse) {other.completion}"
        value = other.answer_mutual_welfare if other.plain else other.mutual_welfare
        tag = "W, answer only" if other.plain else "W"
        rows += (
            f"<div><h5>{escape(other.model)} <span>{tag} {number(value, 2)}</span></h5>"
            f'<div class="bubble llm">{_lines(text)}</div></div>'
        )
    return (
        f"<details><summary>The same question, answered by {len(others)} other "
        f"model{'s' if len(others) > 1 else ''}</summary>{rows}</details>"
    )


def _payoff(value: float) -> str:
    return number(float(value), 2 if abs(value * 10 - round(value * 10)) > 1e-6 else 1)


def _lines(text: str) -> str:
    return f'<p class="text">{escape(text.strip())}</p>'
