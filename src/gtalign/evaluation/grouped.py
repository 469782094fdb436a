"""The rows of one group as sums by question, and by cluster for a model or for two of them."""

from collections.abc import Sequence

import numpy as np

from gtalign.evaluation.comparison import Group
from gtalign.evaluation.rows import Rows, group_sums
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.sums import PairedSums


class GroupSums:
    """Sums of each model's rows in one group, by question.

    Attributes:
        inside: Which rows are in the group, shape [N].
        tops, bottoms, counts: Model -> sums of each metric by question, shape [Q, M].
        cluster_q: Number of each question's cluster.
    """

    def __init__(self, rows: Rows, group: Group, models: Sequence[str]) -> None:
        self.models = tuple(models)
        self.inside = rows.split == group.split
        if group.task is not None:
            self.inside &= rows.task == group.task
        questions, code_i = np.unique(rows.question[self.inside], return_inverse=True)
        own = rows.cluster_q[questions]
        clusters, self.cluster_q = np.unique(own, return_inverse=True)
        self._clusters = len(clusters)
        self.tops, self.bottoms, self.counts = (
            {
                model: group_sums(
                    array[self.inside], code_i, rows.model[self.inside] == model, len(questions)
                )
                for model in models
            }
            for array in (rows.tops_nm, rows.bottoms_nm, rows.known_nm.astype(np.float64))
        )

    def by_cluster(self, values_qm: Floats) -> Floats:
        """Sums over the questions of each cluster, shape [G, M]."""
        every = np.ones(len(values_qm), dtype=np.bool_)
        return group_sums(values_qm, self.cluster_q, every, self._clusters)

    def paired(self, a: str, b: str) -> PairedSums:
        """Sums by cluster over the questions for which both models have a metric."""
        both_qm = (self.counts[a] > 0) & (self.counts[b] > 0)
        parts = (self.tops[a], self.bottoms[a], self.tops[b], self.bottoms[b])
        return PairedSums(*(self.by_cluster(np.where(both_qm, part, 0.0)) for part in parts))
