"""How completions are read and their factors measured: a reward's settings without its weights."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gtalign.config import Config, Share
from gtalign.reward.presets import ROBUST
from gtalign.tasks.task import Definition

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Window(Config):
    """A window of lengths with soft edges; see `gtalign.reward.formulas.window`.

    Keys:
        low: Lower edge; robust terms have none.
        high: Upper edge.
        steepness: How sharply the window falls at its edges, in 1 / unit of the lengths.
    """

    low: Length
    high: Length
    steepness: Positive

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high ({self.high:g}) has to be above low ({self.low:g})")
        return self


class RewardSettings(Config):
    """Settings of a reward, without its weights.

    Keys:
        preset: ``robust`` (the paper's weights on terms that useless text cannot earn), ``paper``
            (as written), ``released`` (training code), ``released-eval`` (its evaluation code) or
            ``episode`` (the true payoffs of what the answer does, where the judge knows them).
        aggregate: How the two welfares become the reward: ``cobb_douglas`` sqrt(U L), ``linear``
            (U + L)/2, ``weighted`` by ``user_weight``, ``user`` U, ``llm`` L, ``ces`` with the
            exponent ``rho``, or ``constrained``: U where L is at least ``least``.
        rho: Exponent of ``ces``, at most 1; 1 is utilitarian, 0 Cobb-Douglas, ``-inf`` Rawlsian.
        user_weight: Weight w of U in ``weighted``, w U + (1 - w) L.
        least: The L that ``constrained`` asks for; see `gtalign.reward.welfare.constrained`.
        chain: Whether completions are chains. If not, a completion is the response alone, and the
            chain's own terms leave the LLM's welfare.
        belief: Whether a chain has to state a belief over the user's actions before the payoff.
            The belief earns nothing; `gtalign calibration` says how good it is.
        reading: What counts as a chain: ``strict``, ``tolerant`` (misspellings are repaired, but
            the format factor is lost), or the leniency of the released code.
        terms: How lengths and the chain are measured: ``paper``, or ``robust``, which multiplies
            the length terms by the answer's quality and pays for a chain only if it binds the
            answer.
        quality: Whose definition of answer quality: ``paper`` or ``released``.
        unit: Unit of the windows: ``tokens`` or ``words``.
        latency_unit: Unit of ``latency_scale``: ``tokens``, ``words`` or ``characters``.
        latency_scale: Length before the response at which the latency factor has fallen to 1/e.
        response_window: Lengths of the response that earn the window factor of the user.
        total_window: Lengths of the completion that earn the window factor of the LLM.
    """

    preset: Literal["robust", "paper", "released", "released-eval", "episode"] = "robust"
    aggregate: Literal[
        "cobb_douglas", "linear", "weighted", "user", "llm", "ces", "constrained"
    ] = "cobb_douglas"
    rho: float = Field(default=0.0, le=1)
    user_weight: Share = 0.5
    least: Annotated[float, Field(gt=0, le=1)] = 0.5
    chain: bool = True
    belief: bool = False
    reading: Literal["strict", "tolerant", "released", "released-eval"] = ROBUST["reading"]
    terms: Literal["paper", "robust"] = ROBUST["terms"]
    quality: Definition = ROBUST["quality"]
    unit: Literal["tokens", "words"] = ROBUST["unit"]
    latency_unit: Literal["tokens", "words", "characters"] = ROBUST["latency_unit"]
    latency_scale: Positive = ROBUST["latency_scale"]
    response_window: Window = Window(**ROBUST["response_window"])
    total_window: Window = Window(**ROBUST["total_window"])

    @property
    def robust(self) -> bool:
        """Whether terms are measured so that a useless answer cannot earn them."""
        return self.terms == "robust"

    @model_validator(mode="after")
    def _reads_beliefs(self) -> Self:
        if self.belief and (not self.chain or self.reading.startswith("released")):
            raise ValueError(
                "belief is true, so completions have to be chains, and reading strict or tolerant:"
                " the released code knows no belief"
            )
        return self

    @model_validator(mode="after")
    def _terms_fit(self) -> Self:
        if not self.robust:
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
