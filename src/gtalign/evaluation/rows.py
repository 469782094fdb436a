"""Transcripts as arrays: the model and question of each, and the sums that each metric needs."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gtalign.evaluation import statistics
from gtalign.evaluation.metrics import Measures, measure, metrics
from gtalign.evaluation.statistics import Floats
from gtalign.reward.scores import PLAIN_WELFARE, WELFARE
from gtalign.transcripts.prompts import by_prompt, is_by_prompt
from gtalign.transcripts.transcript import Transcript

NO_SEED = -1
"""Stands for an unknown seed in the arrays."""


By = Literal["id", "prompt", "conversation"]
"""What names a question: its id, its prompt, or its prompt without system messages."""


def names_of(transcripts: Sequence[Transcript], by: By) -> list[tuple[str, ...]]:
    """Name the question of each transcript: its split, its task, and its id or prompt.

    Answers without an id of their own are named by their prompt in any case.
    """
    found: list[tuple[str, ...]] = []
    for t in transcripts:
        if by == "id":
            name = t.cluster if is_by_prompt(t.cluster) else t.id
        else:
            name = by_prompt(t.prompt, system=by == "prompt") or t.id
        found.append((t.split, t.task, name))
    return found


class Rows:
    """Transcripts as arrays: model, question and the sums that each metric needs.

    Args:
        transcripts: The N transcripts.
        by: What names a question.

    Attributes:
        metrics: The M metrics.
        tops_nm: Numerator of each metric, shape [N, M], 0 where unknown.
        bottoms_nm: Denominator, 0 where unknown.
        known_nm: Where the metric is known.
        question: Number of each row's question.
        cluster_q: Number of each question's cluster, shape [Q].
    """

    def __init__(self, transcripts: Sequence[Transcript], by: By = "id") -> None:
        self.transcripts = transcripts
        self.metrics = tuple(metrics().values())
        measures = [measure(transcript) for transcript in transcripts]
        _fill_right_action(transcripts, measures)
        _on_one_scale(transcripts, measures)
        size = len(transcripts)
        self.tops_nm = np.zeros((size, len(self.metrics)))
        self.bottoms_nm = np.zeros((size, len(self.metrics)))
        self.known_nm = np.zeros((size, len(self.metrics)), dtype=np.bool_)
        for column, metric in enumerate(self.metrics):
            top = _column(measures, metric.top)
            bottom = np.ones(size) if metric.bottom is None else _column(measures, metric.bottom)
            known = ~(np.isnan(top) | np.isnan(bottom))
            self.tops_nm[known, column] = metric.scale * top[known]
            self.bottoms_nm[known, column] = bottom[known]
            self.known_nm[:, column] = known
        self.unscored = _column(measures, "unscored") > 0
        self.model = np.array([t.model for t in transcripts])
        self.split = np.array([t.split for t in transcripts])
        self.task = np.array([t.task for t in transcripts])
        self.seed = np.array([NO_SEED if t.seed is None else t.seed for t in transcripts])
        names = names_of(transcripts, by)
        self.question, _ = statistics.codes(names)
        # One file may give the cluster of a question that another file leaves out.
        clusters: dict[tuple[str, ...], object] = {}
        for name, t in zip(names, transcripts, strict=True):
            if t.cluster and not is_by_prompt(t.cluster):
                clusters.setdefault(name, t.cluster)
        self.cluster_q, _ = statistics.codes(
            [clusters.get(name, name) for name in dict.fromkeys(names)]
        )


def _on_one_scale(transcripts: Sequence[Transcript], measures: Sequence[Measures]) -> None:
    """Drop the scores that files give where they are the quality, or else the qualities.

    Scores of 0 to 1 are qualities, and the welfare where a dump has nothing else. If one of them is
    outside, all are on some other scale.
    """
    alone = [
        found
        for t, found in zip(transcripts, measures, strict=True)
        if t.mutual_welfare is not None and t.user_welfare is None and not t.factors
    ]
    if any(not 0 <= (found["mutual_welfare"] or 0.0) <= 1 for found in alone):
        for found in alone:
            found["score"] = found["mutual_welfare"]
            found.update(dict.fromkeys((*WELFARE, *PLAIN_WELFARE)))
    given = [found for found in measures if found["score"] is not None]
    other = any(not 0 <= (found["score"] or 0.0) <= 1 for found in given)
    for found in given:
        if other:
            found["quality"] = found["quality_per_100_tokens"] = found["quality_tokens"] = None
        else:
            found["score"] = None


def _fill_right_action(transcripts: Sequence[Transcript], measures: Sequence[Measures]) -> None:
    """Count an answer that did not parse as the wrong kind, in tasks that judge the kind of action.

    Such an answer never reached a judge. Leaving it out would flatter a model that often fails.
    """
    judged = {
        (t.split, t.task)
        for t, found in zip(transcripts, measures, strict=True)
        if found["right_action"] is not None
    }
    for t, found in zip(transcripts, measures, strict=True):
        if found["malformed"] and not found["unscored"] and (t.split, t.task) in judged:
            found["right_action"] = 0.0


def _column(measures: Sequence[Measures], name: str) -> Floats:
    """One measure of every row, shape [N]; not-a-number for None."""
    return np.array([found[name] for found in measures], dtype=np.float64)


def group_sums(
    values_nm: Floats, code_n: NDArray[np.intp], mine_n: NDArray[np.bool_], groups: int
) -> Floats:
    """Sums per cluster of one model's rows, shape [G, M]."""
    width = values_nm.shape[1]
    cells = code_n[mine_n][:, None] * width + np.arange(width)
    summed = np.bincount(cells.ravel(), weights=values_nm[mine_n].ravel(), minlength=groups * width)
    return summed.reshape(groups, width).astype(np.float64)
