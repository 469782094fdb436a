"""One transcript as HTML for people to read."""

from collections.abc import Mapping, Sequence

import numpy as np

from gtalign.drawing import Content, Markup, element, fixed, join, matrix_legend
from gtalign.evaluation.markup import fold
from gtalign.evaluation.metrics import chosen_action, form_of, measure
from gtalign.game import TOLERANCE, Bimatrix, pareto_frontier
from gtalign.steering.table import game_table
from gtalign.transcripts.transcript import Transcript

Payoff = Mapping[str, Mapping[str, float]]


def conversation(
    transcript: Transcript, others: Sequence[Transcript] = (), note: str = ""
) -> Markup:
    """A transcript as an article: question, reasoning, matrix, response, verdict and factors.

    Args:
        transcript: The transcript to show.
        others: Answers of other models to the same question, folded below it.
        note: Why this transcript is shown.
    """
    said: Content
    if transcript.chain is not None:
        response = bubble("assistant", str(transcript.chain["response"]))
        said = (_chain(transcript, transcript.chain), response)
    elif transcript.plain:
        said = bubble("assistant", transcript.completion)
    else:
        why = f"This answer does not parse: {transcript.chain_error or 'no chain'}"
        whole = element("pre", transcript.completion)
        said = element("div", element("p", why), whole, class_="broken")
    return element(
        "article",
        _head(transcript, note),
        (bubble(message["role"], message["content"]) for message in transcript.prompt),
        said,
        _verdicts(transcript),
        _others(others) if others else None,
        class_="talk",
    )


def bubble(role: str, text: str) -> Markup:
    """One message; a system message is folded."""
    if role == "system":
        return element(
            "details", element("summary", "System message"), lines(text), class_="system"
        )
    who = "user" if role == "user" else "llm"
    return element("div", lines(text), class_=f"bubble {who}")


def lines(text: str) -> Markup:
    """Text with its line breaks."""
    return element("p", text.strip(), class_="text")


def _game(payoff: Payoff) -> Bimatrix:
    return Bimatrix.from_json(payoff, form_of(*payoff))


def _head(transcript: Transcript, note: str) -> Markup:
    plain = transcript.plain
    sides = (
        ("U", transcript.user_welfare),
        ("L", transcript.answer_llm_welfare if plain else transcript.llm_welfare),
        ("W", transcript.answer_mutual_welfare if plain else transcript.mutual_welfare),
    )
    seed = None if transcript.seed is None else f"seed {transcript.seed}"
    facts = (transcript.model, seed, transcript.id, note)
    return article_head(
        transcript.task,
        " · ".join(fact for fact in facts if fact),
        (element("span", f"{name} ", element("b", fixed(value, 2))) for name, value in sides),
    )


def article_head(title: str, facts: str, result: Content) -> Markup:
    """The head of an article: its title, a line of facts, and its scores."""
    about = element("div", element("h3", title), element("p", facts))
    return element("header", about, element("div", result, class_="welfare"))


def _chain(transcript: Transcript, chain: Mapping[str, object]) -> Markup:
    cell, action = chosen_action(transcript)
    true = transcript.extra.get("true_payoff")
    user_action = transcript.extra.get("user_action")
    stated = chain["payoff"]
    assert isinstance(stated, Mapping)
    games = [game_table(_game(stated), "The model's matrix", chosen=cell)]
    if isinstance(true, Mapping) and true:
        chosen = f"{user_action}_{action}" if user_action and action else None
        true_table = game_table(
            _game(true), "The true matrix", chosen=chosen, played=str(user_action)
        )
        games.append(true_table)
    choice = element("p", _choice(transcript, stated, cell, action), class_="choice")
    return chain_of(str(chain["thinking"]), games, choice, str(chain["analyze"]))


def chain_of(thinking: str, games: Sequence[Markup], choice: Content, analysis: str) -> Markup:
    """The blocks of a chain before its response, the matrix drawn."""
    return element(
        "div",
        element("h4", "Thinking"),
        lines(thinking),
        element("h4", "Payoffs"),
        element("div", games, class_="games"),
        matrix_legend(),
        choice,
        element("h4", "Analysis"),
        lines(analysis),
        class_="chain",
    )


def _choice(transcript: Transcript, stated: Payoff, cell: str | None, action: str | None) -> Markup:
    """One sentence on the choice: its cell, and whether it was right."""
    if action is None:
        return join("No single choice can be read from the analysis.")
    rest = ""
    if cell is not None and cell in stated:
        game = _game(stated)
        on = cell in game.form.where(pareto_frontier(game.payoffs))
        rest += f", {'on' if on else 'off'} its own frontier"
    found = measure(transcript)
    if (regret := found["payoff_regret"]) is not None:
        rest += (
            ", the best action for what the user really did"
            if regret <= TOLERANCE
            else f", {fixed(regret, 2)} short of the best for what the user really did"
        )
    rest += "."
    if (correlation := found["payoff_correlation"]) is not None:
        rest += f" Stated and true payoffs correlate at {fixed(correlation, 2)}."
    return join("Chosen: ", element("b", cell or action), rest)


def _verdicts(transcript: Transcript) -> Markup:
    verdicts = (
        (v.judge, "no score" if v.score is None else fixed(v.score, 2), v.reason)
        for v in transcript.verdicts
    )
    total = transcript.tokens.get("total")
    factors = [(name, value) for name, value in transcript.factors.items() if value is not None]
    return element(
        "footer",
        (
            element("p", element("b", judge), f" {score} — {reason}")
            for judge, score, reason in verdicts
        ),
        element("p", f"Unscored: {transcript.unscored}", class_="warn")
        if transcript.unscored
        else None,
        element("p", f"{total} tokens") if total is not None else None,
        element("div", (_factor(name, value) for name, value in factors), class_="factors"),
    )


def _factor(name: str, value: float) -> Markup:
    part = fixed(min(1.0, max(0.0, value))) if np.isfinite(value) else "0"
    return element(
        "div",
        element("span", name.replace("_", " ")),
        element("meter", min="0", max="1", value=part, aria_label=name),
        element("b", fixed(value, 2)),
    )


def _others(others: Sequence[Transcript]) -> Markup:
    rows = []
    for other in others:
        if other.chain is not None:
            text = str(other.chain["response"])
        elif other.plain:
            text = other.completion
        else:
            text = f"(does not parse) {other.completion}"
        value = other.answer_mutual_welfare if other.plain else other.mutual_welfare
        tag = "W, answer only" if other.plain else "W"
        head = element("h5", f"{other.model} ", element("span", f"{tag} {fixed(value, 2)}"))
        rows.append(element("div", head, bubble("assistant", text)))
    count = f"{len(others)} other model{'s' if len(others) > 1 else ''}"
    return fold(f"The same question, answered by {count}", rows)
