"""A rule without training: ask if the value of the answer exceeds its cost.

The model of an arm thinks and states its matrix. The thinking says whether the question is vague.
In that row, the value of asking is what the user gains by a clarifying question over a direct
answer, and its cost what the LLM loses. The rule chooses, and the model writes the response.
(The value of information less the cost of a question: arXiv 2601.06407.)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtalign.chain import Chain, parse
from gtalign.errors import ChainError
from gtalign.game import TOLERANCE
from gtalign.tasks import Question

if TYPE_CHECKING:
    from gtalign.models.model import LocalModel

_NEXT = "<analyze>"


def chosen_cell(chain: Chain) -> str:
    """Return the cell that the rule chooses in a chain's own matrix."""
    form = "VQ" if "vague" in chain.thinking.lower() else "DQ"
    user_ask, llm_ask = chain.payoff.cell(f"{form}_CQ")
    user_answer, llm_answer = chain.payoff.cell(f"{form}_DA")
    asks = user_ask - user_answer > llm_answer - llm_ask + TOLERANCE
    return f"{form}_{'CQ' if asks else 'DA'}"


def decide(
    model: "LocalModel",
    questions: Sequence[Question],
    completions: Sequence[str],
    *,
    max_tokens: int,
    temperature: float,
) -> list[str]:
    """Let a model write its completions anew from the analysis on, which the rule writes.

    Args:
        model: The model that wrote them.
        questions: What they answer.
        completions: The completions.
        max_tokens: Longest response, in tokens.
        temperature: Temperature of the sampling.

    Returns:
        The completions; those that are no chain stay as they are.
    """
    from gtalign.models.tokens import continuing_tokens

    given: dict[int, str] = {}
    for number, text in enumerate(completions):
        try:
            chain = parse(text)
        except ChainError:
            continue
        begun = text[: text.index(_NEXT, chain.spans["payoff"][1])]
        given[number] = f"{begun}{_NEXT}choose {chosen_cell(chain)}.</analyze><response>"
    prompts = [
        model.chat.ids(questions[number].messages) + continuing_tokens(model.chat.tokenizer, begun)
        for number, begun in given.items()
    ]
    written = list(completions)
    if prompts:
        rows = model.sample(prompts, max_tokens=max_tokens, temperature=temperature)
        for (number, begun), row in zip(given.items(), rows, strict=True):
            written[number] = begun + model.chat.text(row)
    return written
