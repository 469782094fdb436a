"""The answers of two models to the same questions, as sums by cluster."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation.statistics import Floats


@dataclass(frozen=True, slots=True)
class PairedSums:
    """Sums of two models by cluster, for K quantities; each of shape [G, K].

    A quantity of a model is the ratio of its top to its bottom, both summed over clusters; for a
    mean the bottom is the number of rows. Where either bottom is 0, the cluster counts for neither.
    """

    top_a: Floats
    bottom_a: Floats
    top_b: Floats
    bottom_b: Floats

    @property
    def groups(self) -> int:
        """Number of clusters G."""
        return len(self.top_a)

    @property
    def width(self) -> int:
        """Number of quantities K."""
        return int(self.top_a.shape[1])

    @property
    def parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four arrays."""
        return self.top_a, self.bottom_a, self.top_b, self.bottom_b

    @property
    def held(self) -> NDArray[np.bool_]:
        """Where both models have the quantity, shape [G, K]."""
        return (self.bottom_a > 0) & (self.bottom_b > 0)

    def columns(self, ks: NDArray[np.intp]) -> "PairedSums":
        """Some quantities, with zeros where a model lacks one."""
        held = self.held[:, ks]
        return PairedSums(*(np.where(held, part[:, ks], 0.0) for part in self.parts))

    def column(self, k: int) -> "PairedSums":
        """One quantity, in the clusters that both models have."""
        held = self.held[:, k]
        return PairedSums(*(part[held, k : k + 1] for part in self.parts))

    def ratios(self) -> tuple[float, float]:
        """The first quantity of both models."""
        a = float(self.top_a[:, 0].sum() / self.bottom_a[:, 0].sum())
        return a, float(self.top_b[:, 0].sum() / self.bottom_b[:, 0].sum())

    def influence(self) -> tuple[Floats, Floats]:
        """How each cluster moves the first quantity of both models, to first order; shape [G]."""
        a, b = self.ratios()
        terms_a = (self.top_a - a * self.bottom_a) / self.bottom_a.sum()
        terms_b = (self.top_b - b * self.bottom_b) / self.bottom_b.sum()
        return terms_a[:, 0], terms_b[:, 0]
