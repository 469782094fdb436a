"""A rule without training takes the decision: a solution rule of steering, or the value of asking.

The model of an arm thinks and states its matrix, and its belief if it learned to. The rule chooses,
and the model writes the response.

`VALUE` asks if the value of the answer exceeds its cost. The thinking says whether the question is
vague. In that row, the value of asking is what the user gains by a clarifying question over a
direct answer, and its cost what the LLM loses. (The value of information less the cost of a
question: arXiv 2601.06407.)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gtalign.chain import Chain, parse
from gtalign.errors import ChainError
from gtalign.game import TOLERANCE
from gtalign.steering import SOLUTION_RULES, Policy, recommend
from gtalign.tasks import Question

if TYPE_CHECKING:
    from gtalign.models.model import LocalModel

VALUE: Final = "value-of-asking"
"""The rule that is no solution rule of steering."""

_NEXT = "<analyze>"


def chosen_cell(chain: Chain, rule: str = VALUE) -> str:
    """Return the cell that a rule chooses in a chain's own matrix.

    Args:
        chain: The chain; ``bayes`` needs its belief.
        rule: `VALUE`, or the name of a solution rule (`gtalign.steering.SOLUTION_RULES`).
    """
    if rule != VALUE:
        prior = chain.belief if SOLUTION_RULES[rule].needs_belief else None
        policy = Policy(name=rule, payer="nobody", solution=rule, prior=prior)
        return recommend(chain.payoff, policy).cell
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
    rule: str,
    belief: bool,
    max_tokens: int,
    temperature: float,
) -> list[str]:
    """Let a model write its completions anew from the analysis on, which the rule writes.

    Args:
        model: The model that wrote them.
        questions: What they answer.
        completions: The completions.
        rule: The rule; see `chosen_cell`.
        belief: Whether chains state a belief.
        max_tokens: Longest response, in tokens.
        temperature: Temperature of the sampling.

    Returns:
        The completions; those that are no chain stay as they are.
    """
    from gtalign.models.tokens import continuing_tokens

    given: dict[int, str] = {}
    for number, text in enumerate(completions):
        try:
            chain = parse(text, belief=belief)
        except ChainError:
            continue
        begun = text[: text.index(_NEXT, chain.spans["payoff"][1])]
        # A tokenizer may merge the last ">" with what follows: the model writes that itself.
        given[number] = f"{begun}{_NEXT}choose {chosen_cell(chain, rule)}.</analyze><response"
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
