"""The weights of the factors: one table for each side, with a key for each of its factors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from gtalign.config import Config
from gtalign.game.form import Player
from gtalign.reward.factors import factors_of
from gtalign.reward.presets import ROBUST

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Weights(Config):
    """Weights of the factors of one side; ``constant`` is added to its welfare as it is.

    The keys are those of `gtalign.reward.FACTORS`, so a new factor has one too. A factor without a
    weight in the presets has the weight 0 unless a configuration gives another.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Weight] = Field(init=False)
    side: ClassVar[Player]

    constant: Weight

    if TYPE_CHECKING:

        def __getattr__(self, key: str) -> float: ...

    @classmethod
    def key_meanings(cls) -> dict[str, str]:
        """What each weight is for, as the documentation shows it."""
        factors = {factor.key: f"Weight of `{factor.name}`." for factor in factors_of(cls.side)}
        return {"constant": "A number that is added to the welfare as it is.", **factors}

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The constant, then the weights in the order of the factors."""
        return ("constant", *(factor.key for factor in factors_of(cls.side)))

    @model_validator(mode="before")
    @classmethod
    def _one_for_each_factor(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known, required = cls.known_keys(), ROBUST[cls.side]
        wrong = [
            InitErrorDetails(type="missing", loc=(k,), input=given)
            for k in required
            if k not in given
        ]
        wrong += [
            InitErrorDetails(type="extra_forbidden", loc=(key,), input=value)
            for key, value in given.items()
            if key not in known
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return {key: given.get(key, 0.0) for key in known}

    def of(self, key: str) -> float:
        """Return one weight; 0 for a factor that was added later."""
        weights: Mapping[str, float] = self.model_extra or {}
        return weights.get(key, 0.0)

    def sums(self) -> tuple[float, float]:
        """Return the sum of the weights without the chain's own terms, and that of all weights."""
        factors = factors_of(self.side)
        answer = 0.0
        for factor in factors:
            if not factor.chain:
                answer += self.of(factor.key)
        total = answer
        for factor in factors:
            if factor.chain:
                total += self.of(factor.key)
        return answer, total

    @model_validator(mode="after")
    def _grade_the_answer(self) -> Self:
        answer, total = self.sums()
        if answer <= 0 and (total > 0 or self.side == "llm"):
            keys = [factor.key for factor in factors_of(self.side) if not factor.chain]
            raise ValueError(
                f"the weights of {' and '.join(keys)} are 0: nothing would grade the answer itself"
            )
        return self


class UserWeights(Weights):
    """Weights of the factors in the user's welfare."""

    side = "user"


class LLMWeights(Weights):
    """Weights of the factors in the LLM's welfare.

    Some factors are the chain's own terms. An answer without a chain is graded by the others,
    scaled up to the weight of all.
    """

    side = "llm"
