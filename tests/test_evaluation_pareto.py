"""Pareto measures against counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtalign.errors import DataError
from gtalign.evaluation.pareto import (
    additive_epsilon,
    best_given,
    coverage,
    covered,
    dominance,
    frontier,
    hypervolume,
    joint_frontier,
    preference_regret,
    regret,
    undominated,
)

GRID = st.tuples(st.integers(0, 6), st.integers(0, 6))
POINTS = st.lists(GRID, min_size=1, max_size=8)


def dominates(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] >= b[0] and a[1] >= b[1] and a != b


@given(POINTS)
def test_hypervolume_counts_the_dominated_unit_squares(points: list[tuple[int, int]]) -> None:
    squares = sum(any(x > i and y > j for x, y in points) for i in range(6) for j in range(6))
    assert hypervolume(points) == pytest.approx(squares)


def test_hypervolume_of_a_staircase_of_three_steps() -> None:
    assert hypervolume([(1, 3), (2, 2), (3, 1)]) == pytest.approx(6.0)
    assert hypervolume([]) == 0.0
    assert hypervolume([(1, 1)], worst=(2.0, 2.0)) == 0.0


@given(POINTS)
def test_the_frontier_is_what_nobody_dominates(points: list[tuple[int, int]]) -> None:
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert frontier(points).tolist() == expected
    kept = sorted({point for point, keep in zip(points, expected, strict=True) if keep})
    assert undominated([(float(x), float(y)) for x, y in points]) == kept


@given(st.lists(st.tuples(GRID, GRID), min_size=1, max_size=12))
@settings(max_examples=50)
def test_dominance_counts_questions(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    wins = sum(dominates(x, y) for x, y in pairs)
    losses = sum(dominates(y, x) for x, y in pairs)
    assert dominance(a, b) == (wins, losses)
    shares = coverage(np.array(pairs, dtype=float))
    assert shares.tolist() == pytest.approx([1 - losses / len(pairs), 1 - wins / len(pairs)])


def test_dominance_forgives_rounding() -> None:
    assert dominance([(0.3, 0.1 + 0.2)], [(0.3, 0.3)]) == (0, 0)


def test_no_questions() -> None:
    assert np.isnan(coverage(np.empty((0, 3, 2)))).all()
    assert undominated([]) == []


def test_a_set_is_measured_against_the_frontier_of_both() -> None:
    """a has two of the three points of the joint frontier; b has one, and misses the rest by .2."""
    a, b = [(0.2, 0.9), (0.9, 0.2)], [(0.6, 0.6), (0.2, 0.7), (0.7, 0.2)]
    joint = joint_frontier([a, b])
    assert joint.tolist() == [[0.2, 0.9], [0.6, 0.6], [0.9, 0.2]]
    assert (covered(a, joint), covered(b, joint)) == pytest.approx((2 / 3, 1 / 3))
    assert covered(b, joint, epsilon=0.19) == pytest.approx(1 / 3)
    assert covered(b, joint, epsilon=0.2) == 1, "ends count, with rounding"
    assert additive_epsilon(b, joint) == pytest.approx(0.2)
    assert additive_epsilon(a, joint) == pytest.approx(0.4), "(.9, .2) lacks .4 of (.6, .6)"
    assert additive_epsilon([*a, *b], joint) == 0


def test_a_point_that_two_sets_share_counts_for_both() -> None:
    joint = joint_frontier([[(0.5, 0.1 + 0.2)], [(0.5, 0.3)]])
    assert joint.tolist() == [[0.5, 0.3]]
    assert covered([(0.5, 0.3)], joint) == covered([(0.5, 0.1 + 0.2)], joint) == 1


@given(st.lists(POINTS, min_size=1, max_size=3), st.integers(0, 3))
@settings(max_examples=60)
def test_covered_and_epsilon_by_a_double_loop(
    sets: list[list[tuple[int, int]]], epsilon: int
) -> None:
    joint = [(float(x), float(y)) for x, y in joint_frontier(sets)]
    everything = {p for points in sets for p in points}
    assert joint == sorted(p for p in everything if not any(dominates(q, p) for q in everything))
    for points in sets:
        short = [min(max(f - x, g - y, 0) for x, y in points) for f, g in joint]
        assert covered(points, joint, epsilon) == np.mean([lack <= epsilon for lack in short])
        assert additive_epsilon(points, joint) == pytest.approx(max(short))


@given(POINTS, st.lists(st.integers(-1, 7), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_best_of_one_side_under_a_constraint_on_the_other(
    points: list[tuple[int, int]], levels: list[int]
) -> None:
    for side, of in ((0, "user"), (1, "llm")):
        expected = [
            max((p[side] for p in points if p[1 - side] >= t), default=np.nan) for t in levels
        ]
        found = best_given(points, levels, of=of)  # type: ignore[arg-type]
        assert found.tolist() == pytest.approx(expected, nan_ok=True)


def test_regret_is_what_both_sides_could_gain_at_once() -> None:
    points = np.array(
        [[[0.5, 0.5], [0.8, 0.6]], [[0.5, 0.5], [0.9, 0.4]], [[0.5, 0.5], [0.5, 0.5]]]
    )
    assert regret(points) == pytest.approx(np.array([[0.1, 0], [0, 0], [0, 0]]))
    assert coverage(points).tolist() == pytest.approx([2 / 3, 1])
    assert coverage(points, epsilon=0.1).tolist() == [1, 1]


def test_a_point_beaten_on_one_side_only_is_dominated_without_regret() -> None:
    points = [[[0.5, 0.5], [0.5, 0.9]]]
    assert coverage(points).tolist() == [0, 1]
    assert regret(points).tolist() == [[0, 0]]
    assert coverage(points, epsilon=0.01).tolist() == [1, 1]


def test_regret_of_linear_preferences() -> None:
    """With weights 0, 1/2 and 1, (1, 0) loses 1, 0 and 0 to (0, 1), and that loses 0, 0 and 1."""
    points = np.array([[[1, 0], [0, 1]], [[0.4, 0.4], [0.4, 0.4]]])
    found = preference_regret(points, [0, 0.5, 1])
    assert found == pytest.approx(np.array([[1 / 3, 1 / 3], [0, 0]]))
    many = preference_regret([[[1, 0], [0, 1]]], np.linspace(0, 1, 1001))
    assert many.tolist()[0] == pytest.approx([0.25, 0.25], abs=1e-3), "the integral of 1 - 2w"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    bad = [(0.5, wrong)]
    for measure in (hypervolume, frontier, undominated):
        with pytest.raises(DataError, match="unknown or infinite"):
            measure(bad)
    with pytest.raises(DataError, match="unknown or infinite"):
        dominance(bad, [(0.1, 0.1)])
    for by_question in (coverage, regret):
        with pytest.raises(DataError, match="unknown or infinite"):
            by_question([bad])
    with pytest.raises(DataError, match="finite"):
        best_given([(0.5, 0.5)], [wrong])
    with pytest.raises(DataError, match="epsilon"):
        covered([(0.5, 0.5)], [(0.5, 0.5)], epsilon=wrong)
    with pytest.raises(DataError, match="between 0 and 1"):
        preference_regret([[(0.5, 0.5)]], [wrong])


def test_points_without_a_partner_are_refused() -> None:
    with pytest.raises(DataError, match="one each a question"):
        dominance([(0.5, 0.5)], [(0.5, 0.5), (0.6, 0.6)])
    with pytest.raises(DataError, match=r"\[questions, models, 2\]"):
        regret([(0.5, 0.5)])


def test_empty_sets() -> None:
    assert joint_frontier([]).shape == joint_frontier([[]]).shape == (0, 2)
    assert np.isnan(covered([(0.5, 0.5)], []))
    assert covered([], [(0.5, 0.5)]) == 0
    assert np.isnan(additive_epsilon([], [(0.5, 0.5)]))
    assert np.isnan(best_given([], [0.0])).all()
