"""How answers are steered, as configuration."""

from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, field_validator, model_validator

from gtalign.chain.prompt import placeholders
from gtalign.chain.tools import MOST_CALLS
from gtalign.config import Config
from gtalign.steering.budget import BlockSettings
from gtalign.steering.decision import Mode

Instruct = Literal["none", "full", "short", "examples"]
"""The instruction for the chain: none, or one of the styles of `gtalign.chain.prompt`."""

Verify = Literal["off", "mark", "retry"]
"""What happens once a response is complete: nothing, or it says whether it obeyed, or one that did
not is also written once more."""


class ChainOptions(TypedDict):
    """The keyword arguments of `gtalign.chain` that say which chains are meant."""

    low: float
    high: float
    belief: bool


FILLED = frozenset({"frontier", "sums", "payoff", "cell", "action", "description"})
"""The names that templates may use."""


class SteeringSettings(Config):
    """How answers are steered.

    Keys:
        mode: ``observe`` leaves the answer as it is and records what the policy would change;
            ``advise`` splices the edited matrix and lets the model analyse it; ``enforce`` also
            splices the chosen cell into the opening of ``<analyze>``.
        verify: ``mark`` reads from a finished response whether it carries out the chosen action,
            and tells the client; ``retry`` also writes one that does not once more, held to the
            choice as in ``enforce``, unless it is streamed. ``off`` tells the record alone.
        shadow: Share of the answers in ``observe`` for which the chain is asked for in a second
            request, after the answer. It is for models that write no chain of their own.
        on_malformed: A matrix that cannot be read is written once more; if that fails, ``pass``
            gives the engine's own, unsteered answer and marks it, and ``fail`` is an error.
        fallback: What to do if a backend cannot continue an edited text: ``reask`` asks again
            with an instruction, as the released code does; ``none`` raises an error.
        resume: ``reask`` asks again even if the backend could continue, for comparison.
        instruct: The instruction for the chain, which comes before the conversation. ``short``
            is for a model that was not trained on chains, ``examples`` adds worked examples for a
            small one. A model that was trained on chains gets what it was trained with: ``none``,
            or ``full``, the instruction in rows of data. ``false`` means ``none`` and ``true``
            means ``full``.
        blocks: How the tokens of an answer are shared out, if the model was not trained on chains.
        decimals: Decimals of the payoffs in an edited matrix; None for as many as the model writes.
        opening: Text with which ``enforce`` begins the analysis. It may use ``{{frontier}}``,
            ``{{sums}}`` (of all cells, as `gtalign.chain.work_out` writes them), ``{{payoff}}``,
            ``{{cell}}``, the LLM's ``{{action}}`` and its ``{{description}}``. A model follows it
            best in the form in which it learned to write analyses.
        again: Text that asking again adds to the user's message; it may use the same names.
        calls: Most calls of tools in one answer. A small model that calls all it can would else
            go on until its tokens are over.
        belief: Whether chains state how likely each action of the user is, in a block before the
            matrix. A policy whose rule needs a belief then takes the model's own. An instruction
            asks for the block; a model without one has to be trained on such chains.
        policy_line: Whether the question begins with a line that says what the policy charges
            (`gtalign.steering.policy_line`). It is for a model that was trained on such lines:
            the matrices that it states know the prices. In ``observe`` the policy then edits
            nothing; the other modes would charge twice.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive.
    """

    mode: Mode = "advise"
    verify: Verify = "off"
    shadow: Annotated[float, Field(ge=0, le=1)] = 0.0
    on_malformed: Literal["pass", "fail"] = "pass"
    fallback: Literal["none", "reask"] = "none"
    resume: Literal["splice", "reask"] = "splice"
    instruct: Instruct = "short"
    blocks: BlockSettings = BlockSettings()
    decimals: int | None = Field(default=None, ge=0, le=6)
    opening: str = "frontier: {{frontier}}. choose {{cell}}."
    again: str = (
        "The payoffs are now {{payoff}}. Write the whole answer again. Your action is {{action}}:"
        " {{description}}, so choose {{cell}}."
    )
    calls: int = Field(default=MOST_CALLS, ge=1, le=128)
    belief: bool = False
    policy_line: bool = False
    low: float = -5.0
    high: float = 5.0

    @property
    def chain(self) -> "ChainOptions":
        """What parsers, grammars and instructions of these chains have to know."""
        return {"low": self.low, "high": self.high, "belief": self.belief}

    @property
    def told_prices(self) -> bool:
        """Whether matrices are to know the prices by the model's own account: none is edited."""
        return self.policy_line and self.mode == "observe"

    @property
    def trained(self) -> bool:
        """Whether the model was trained on chains, so that it writes and ends them by itself."""
        return self.instruct in ("none", "full")

    @property
    def instructs(self) -> bool:
        """Whether prompts begin with an instruction: none does where the answer is only observed.

        A model that was trained with the instruction needs it in every mode.
        """
        return self.instruct == "full" or not (self.trained or self.mode == "observe")

    @model_validator(mode="after")
    def _verifies_what_is_steered(self) -> Self:
        if self.verify != "off" and self.mode == "observe":
            raise ValueError(
                f"verify is {self.verify!r}, but in the mode 'observe' no answer is steered, so"
                " none can disobey; the mode has to be 'advise' or 'enforce', or verify 'off'"
            )
        return self

    @model_validator(mode="after")
    def _tells_a_trained_model(self) -> Self:
        if self.told_prices and not self.trained:
            raise ValueError(
                "policy_line is true, but in the mode 'observe' a model without training on chains"
                " answers as if nobody had asked for one; instruct has to be 'none' or 'full', or"
                " the mode 'advise' or 'enforce'"
            )
        return self

    @field_validator("instruct", mode="before")
    @classmethod
    def _says_which(cls, instruct: Any) -> Any:
        return {True: "full", False: "none"}[instruct] if isinstance(instruct, bool) else instruct

    @field_validator("opening", "again")
    @classmethod
    def _names_what_is_filled(cls, template: str) -> str:
        unknown = placeholders(template) - FILLED
        if unknown:
            raise ValueError(f"{{{{{min(unknown)}}}}} is not filled; {sorted(FILLED)} are")
        return template
