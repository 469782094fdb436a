"""The scripted model: continues any beginning of a chain, and does what its matrix says."""

import json
import re

MATRIX = {
    "DQ_AQ": {"LLM": 3.0, "user": 3.0},
    "DQ_CQ": {"LLM": 1.0, "user": 1.5},
    "DQ_DA": {"LLM": 2.0, "user": 2.0},
    "VQ_AQ": {"LLM": 0.5, "user": 1.0},
    "VQ_CQ": {"LLM": 4.0, "user": 3.5},
    "VQ_DA": {"LLM": 1.0, "user": 1.0},
}
RESPONSES = {
    "DA": "The naïve answer: 42 \N{SNOWMAN}.",
    "CQ": "Which lake do you mean, the größere one? \N{SLIGHTLY SMILING FACE}",
    "AQ": "Probably 42 — is that the one you meant?",
}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def matrix_text(matrix: dict[str, dict[str, float]] = MATRIX) -> str:
    return json.dumps(matrix, separators=(",", ":"))


def thinking(question: str) -> str:
    return f"<thinking>«{question}» is über-vague \N{THINKING FACE}.</thinking>\n"


def after(matrix: dict[str, dict[str, float]]) -> str:
    """What follows ``</payoff>``, given the matrix before it."""
    cell = max(matrix, key=lambda key: matrix[key]["LLM"] + matrix[key]["user"])
    response = RESPONSES[cell[-2:]]
    return (
        f"\n<analyze>The highest sum is at {cell}: choose {cell}.</analyze>"
        f"\n<response>{response}</response>"
    )


def chain(question: str, matrix: dict[str, dict[str, float]] = MATRIX) -> str:
    payoff = f"<payoff>{matrix_text(matrix)}</payoff>"
    return thinking(question) + payoff + after(matrix)


def continuation(question: str, begun: str) -> str:
    """Return the rest of a message that begins like this; nothing, if it makes no sense.

    To end with a tag makes none: the token that ends a tag continues behind it, so no model has
    ever seen one that does not.
    """
    if begun.endswith("</payoff>"):
        return ""
    _, opened, rest = begun.partition("<payoff>")
    if not opened:
        whole = chain(question)
        if whole.startswith(begun):
            return whole[len(begun) :]
        return ""
    given, closed, tail = rest.partition("</payoff>")
    if closed:
        ending = after(json.loads(given))
        return ending[len(tail) :] if ending.startswith(tail) else ""
    matrix = iter(_NUMBER.findall(given))
    text = _NUMBER.sub(lambda own: next(matrix, own.group()), matrix_text())
    if not text.startswith(given):
        return ""
    return text[len(given) :] + "</payoff>" + after(json.loads(text))
