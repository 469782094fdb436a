"""How answers are steered, as configuration."""

from typing import Literal

from pydantic import Field, field_validator

from gtalign.chain.prompt import placeholders
from gtalign.config import Config
from gtalign.steering.decision import Mode

FILLED = frozenset({"frontier", "payoff", "cell", "action", "description"})
"""The names that templates may use."""


class SteeringSettings(Config):
    """How answers are steered.

    Keys:
        mode: ``observe`` leaves the answer as it is and records what the policy would change;
            ``advise`` splices the edited matrix and lets the model analyse it; ``enforce`` also
            splices the chosen cell into the opening of ``<analyze>``.
        on_malformed: A matrix that cannot be read is written once more; if that fails, ``pass``
            lets the answer continue unsteered and marks it, and ``fail`` is an error.
        fallback: What to do if a backend cannot continue an edited text: ``reask`` asks again
            with an instruction, as the released code does; ``none`` raises an error.
        resume: ``reask`` asks again even if the backend could continue, for comparison.
        instruct: Put the instruction for the chain before the conversation. A model that was
            trained on the chain without it does without.
        decimals: Decimals of the payoffs in an edited matrix; None for as many as the model writes.
        opening: Text with which ``enforce`` begins the analysis. It may use ``{{frontier}}``,
            ``{{payoff}}``, ``{{cell}}``, the LLM's ``{{action}}`` and its ``{{description}}``.
        again: Text that asking again adds to the user's message; it may use the same names.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.
    """

    mode: Mode = "advise"
    on_malformed: Literal["pass", "fail"] = "pass"
    fallback: Literal["none", "reask"] = "none"
    resume: Literal["splice", "reask"] = "splice"
    instruct: bool = True
    decimals: int | None = Field(default=None, ge=0, le=6)
    opening: str = "frontier: {{frontier}}. choose {{cell}}."
    again: str = (
        "The payoffs are now {{payoff}}. Write the whole answer again. Your action is {{action}}:"
        " {{description}}, so choose {{cell}}."
    )
    low: float = -5.0
    high: float = 5.0

    @field_validator("opening", "again")
    @classmethod
    def _names_what_is_filled(cls, template: str) -> str:
        unknown = placeholders(template) - FILLED
        if unknown:
            raise ValueError(f"{{{{{min(unknown)}}}}} is not filled; {sorted(FILLED)} are")
        return template
