"""How times are spread: percentiles that are read from counts, and counts that add up."""

from bisect import bisect_left
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.gateway.store.spread import BOUNDS, NAMES, percentile

TIMES = st.lists(st.floats(0, 20_000), min_size=1, max_size=60)


def within(times: Sequence[float]) -> list[float | None]:
    return [float(sum(time <= bound for time in times)) for bound in BOUNDS]


def true(times: Sequence[float], share: float) -> float:
    """The least time that this share of them does not exceed."""
    ordered = sorted(times)
    return next(t for n, t in enumerate(ordered, 1) if n >= share * len(ordered))


@given(TIMES, st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(times: list[float], share: float) -> None:
    found = percentile(within(times), share)
    assert found is not None
    place = bisect_left(BOUNDS, true(times, share))
    low = 0.0 if place == 0 else BOUNDS[place - 1]
    high = BOUNDS[-2] if place == len(BOUNDS) - 1 else BOUNDS[place]
    assert min(low, high) - 1e-9 <= found <= high + 1e-9


@given(TIMES)
def test_percentiles_grow_with_the_share(times: list[float]) -> None:
    counts = within(times)
    found = [percentile(counts, share / 20) or 0.0 for share in range(21)]
    assert found == sorted(found)


@given(TIMES, TIMES)
def test_counts_of_two_sets_add_up_to_those_of_both(one: list[float], two: list[float]) -> None:
    pairs = zip(within(one), within(two), strict=True)
    together = [(a or 0) + (b or 0) for a, b in pairs]
    assert percentile(together, 0.5) == percentile(within([*one, *two]), 0.5)


def test_what_nobody_counted_is_unknown() -> None:
    assert percentile([None] * len(BOUNDS), 0.5) is None
    assert percentile([0.0] * len(BOUNDS), 0.5) is None
    assert percentile([1.0, *[None] * (len(BOUNDS) - 1)], 0.5) is None
    assert len(NAMES) == len(BOUNDS) == len(set(NAMES))


@pytest.mark.parametrize(("time", "expected"), [(0.2, 0.25), (1.0, 1.0), (5.0, 8.0), (9e9, 8192)])
def test_the_last_of_a_bucket_is_its_end(time: float, expected: float) -> None:
    assert percentile(within([time]), 1.0) == expected
