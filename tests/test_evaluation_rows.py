"""Transcripts as arrays: what counts, what is left out, and sums of clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_samples import malformed, plain, transcript, unscored
from gtalign.evaluation.rows import NO_SEED, Rows, group_sums
from gtalign.judges import Verdict


def column(rows: Rows, name: str) -> list[float | None]:
    """The values of a metric by row; None where it is unknown."""
    at = [metric.name for metric in rows.metrics].index(name)
    pairs = zip(rows.tops_nm[:, at], rows.bottoms_nm[:, at], rows.known_nm[:, at], strict=True)
    return [float(top / bottom) if known else None for top, bottom, known in pairs]


def test_unknown_values_add_nothing_to_a_sum() -> None:
    rows = Rows([transcript(), unscored(id="q2"), malformed(id="q3")])
    assert column(rows, "mutual_welfare") == [0.72, None, 0.0]
    assert rows.unscored.tolist() == [False, True, False]
    assert not rows.tops_nm[~rows.known_nm].any()
    assert not rows.bottoms_nm[~rows.known_nm].any()


def test_a_malformed_answer_is_wrong_where_kinds_are_judged_and_unknown_elsewhere() -> None:
    elsewhere = transcript(task="writing", verdicts=(Verdict("rules", 1.0, "good"),))
    rows = Rows([transcript(), malformed(id="q2"), elsewhere, malformed(id="q3", task="writing")])
    assert column(rows, "right_action") == [1.0, 0.0, None, None]
    # The same task in another split is another matter.
    split = Rows([transcript(), malformed(id="q2", split="ood")])
    assert column(split, "right_action") == [1.0, None]


def test_an_unscored_malformed_answer_is_not_called_wrong() -> None:
    lost = malformed(id="q2", unscored="judge rules: timed out")
    assert column(Rows([transcript(), lost]), "right_action") == [1.0, None]


def test_rows_know_their_model_seed_question_and_cluster() -> None:
    rows = Rows(
        [
            transcript(id="a", cluster="x", seed=4),
            plain(id="b", cluster="x", seed=None),
            transcript(id="a", cluster="", seed=5, model="sft"),
            transcript(id="a", cluster="", task="writing"),
        ]
    )
    assert rows.model.tolist() == ["mutual", "plain", "sft", "mutual"]
    assert rows.seed.tolist() == [4, NO_SEED, 5, 0]
    assert rows.question.tolist() == [0, 1, 0, 2]  # the same id in another task is another one
    # A question has the cluster that any of its answers names; without one, it is one itself.
    assert rows.cluster_q[rows.question].tolist() == [0, 0, 0, 1]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(-9, 9)), min_size=1))
def test_sums_of_clusters_are_those_of_a_loop(cells: list[tuple[int, bool, int]]) -> None:
    codes, mine, numbers = (np.array(part) for part in zip(*cells, strict=True))
    values_nm = np.stack([numbers, numbers**2], axis=1).astype(np.float64)
    summed = group_sums(values_nm, codes.astype(np.intp), mine.astype(np.bool_), 5)
    assert summed.shape == (5, 2)
    for group in range(5):
        of_group = [number for code, own, number in cells if code == group and own]
        assert summed[group].tolist() == [sum(of_group), sum(n * n for n in of_group)]


def test_efficiency_is_kept_as_two_sums() -> None:
    rows = Rows([transcript()])
    assert column(rows, "quality_per_100_tokens") == [pytest.approx(100 * 1.0 / 125)]
    at = [metric.name for metric in rows.metrics].index("quality_per_100_tokens")
    assert rows.bottoms_nm[0, at] == 125
