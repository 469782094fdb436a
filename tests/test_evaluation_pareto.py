"""Pareto measures against counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtalign.evaluation.pareto import coverage, dominance, frontier, hypervolume, undominated

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
