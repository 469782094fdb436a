"""Configuration of a reward: a preset, and whatever departs from it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gtalign.config import Config
from gtalign.reward.presets import PRESETS, ROBUST
from gtalign.tasks.task import Definition

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Window(Config):
    """A window of lengths with soft edges; see `gtalign.reward.factors.window`."""

    low: Length
    high: Length
    steepness: Positive

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high ({self.high:g}) has to be above low ({self.low:g})")
        return self


class UserWeights(Config):
    """Weights of the factors in the user's welfare; ``constant`` is added as it is."""

    constant: Weight
    quality: Weight
    window: Weight
    latency: Weight


class LLMWeights(Config):
    """Weights of the factors in the LLM's welfare; ``constant`` is added as it is.

    ``format``, ``distinctness`` and ``solution`` are the chain's own terms. An answer without a
    chain is graded by ``quality`` and ``window``, scaled up to the weight of all five.
    """

    constant: Weight
    quality: Weight
    window: Weight
    format: Weight
    distinctness: Weight
    solution: Weight

    @model_validator(mode="after")
    def _has_an_answer(self) -> Self:
        if self.quality + self.window <= 0:
            raise ValueError("quality and window are both 0: nothing would grade the answer itself")
        return self


class RewardConfig(Config):
    """What a reward is made of.

    ``preset`` fills every key that is not given, so that ``preset = "released"`` and
    ``llm.format = 0.3`` change one weight of the released reward.

    Keys:
        preset: ``robust`` (the paper's weights on terms that cannot be gamed), ``paper`` (as
            written), ``released`` (training code) or ``released-eval`` (its evaluation code).
        aggregate: How the two welfares become the reward: ``cobb_douglas`` sqrt(U L), ``linear``
            (U + L)/2, ``user`` U, ``llm`` L, or ``ces`` with the exponent ``rho``.
        rho: Exponent of ``ces``, at most 1; 1 is utilitarian, 0 Cobb-Douglas, ``-inf`` Rawlsian.
        chain: Whether completions are chains. If not, a completion is the response alone, and the
            chain's own terms leave the LLM's welfare.
        reading: What counts as a chain: ``strict``, ``tolerant`` (spelling is put right, at the
            price of the format factor), or the leniency of the released code.
        terms: How lengths and the chain are measured: ``paper``, or ``robust``, where lengths pay
            only as far as the answer helps, and the chain only as far as it binds the answer.
        quality: Whose definition of answer quality: ``paper`` or ``released``.
        unit: Unit of the windows: ``tokens`` or ``words``.
        latency_unit: Unit of ``latency_scale``: ``tokens``, ``words`` or ``characters``.
        llm_by_task: LLM weights of tasks that depart from ``llm``, by task name.
    """

    preset: Literal["robust", "paper", "released", "released-eval"] = "robust"
    aggregate: Literal["cobb_douglas", "linear", "user", "llm", "ces"] = "cobb_douglas"
    rho: float = Field(default=0.0, le=1)
    chain: bool = True
    reading: Literal["strict", "tolerant", "released", "released-eval"] = ROBUST["reading"]
    terms: Literal["paper", "robust"] = ROBUST["terms"]
    quality: Definition = ROBUST["quality"]
    unit: Literal["tokens", "words"] = ROBUST["unit"]
    latency_unit: Literal["tokens", "words", "characters"] = ROBUST["latency_unit"]
    latency_scale: Positive = ROBUST["latency_scale"]
    response_window: Window = Window(**ROBUST["response_window"])
    total_window: Window = Window(**ROBUST["total_window"])
    user: UserWeights = UserWeights(**ROBUST["user"])
    llm: LLMWeights = LLMWeights(**ROBUST["llm"])
    llm_by_task: dict[str, LLMWeights] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        preset = given.get("preset", "robust")
        # An unknown preset is left for the field's own check to refuse.
        return _merge(PRESETS.get(preset, {}) if isinstance(preset, str) else {}, given)

    @model_validator(mode="after")
    def _terms_fit(self) -> Self:
        if self.terms == "paper":
            return self
        for name in ("response_window", "total_window"):
            low = getattr(self, name).low
            if low > 0:
                raise ValueError(
                    f"{name}.low is {low:g}, but terms = 'robust' pay for no length: it has to be"
                    " 0, or choose preset = 'paper'"
                )
        if self.reading.startswith("released"):
            raise ValueError(
                f"terms = 'robust' need a chain that parses, but reading is {self.reading!r};"
                " strict or tolerant would be right"
            )
        return self

    def llm_weights(self, task: str) -> LLMWeights:
        """Return the LLM's weights for a task."""
        return self.llm_by_task.get(task, self.llm)


def _merge(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with what is given in its place, table by table."""
    merged = dict(base)
    for key, value in given.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged
