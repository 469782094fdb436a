"""Sums of few small numbers, with triples of numbers that are kept for the test."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

HOLDOUT: Final = 5
"""One of this many triples of numbers belongs to the test side."""


def written_sums(start: int, changes: Sequence[int]) -> list[str]:
    """Return the steps of a sum, each with its running total."""
    work, running = [], start
    for change in changes:
        sign = "+" if change > 0 else "-"
        work.append(f"{running} {sign} {abs(change)} = {running + change}.")
        running += change
    return work


def draw_numbers(rng: np.random.Generator, steps: int, test: bool) -> tuple[int, list[int], int]:
    """Draw a start and signed steps whose running total stays in 0..15."""
    while True:
        start = int(rng.integers(2, 10))
        sizes = [int(n) for n in rng.integers(1, 7, size=steps)]
        if _held_out(start, sizes) != test:
            continue
        changes = [n if rng.random() < 0.5 else -n for n in sizes]
        if _in_range(start, changes):
            return start, changes, start + sum(changes)


def _held_out(start: int, sizes: Sequence[int]) -> bool:
    """Whether a start and sizes belong to the test side."""
    return zlib.crc32(f"{start}-{sizes[0]}-{sizes[1]}".encode()) % HOLDOUT == 0


def _in_range(start: int, changes: Sequence[int]) -> bool:
    totals = np.cumsum([start, *changes])
    return bool(totals.min() >= 0 and totals.max() <= 15)


def other_numbers(
    start: int, changes: Sequence[int], place: int, test: bool
) -> Iterator[list[int]]:
    """Yield the changes with each other number at one place that `draw_numbers` could have drawn.

    Args:
        start: The start.
        changes: The signed steps.
        place: Which of them is another one; its sign stays.
        test: Whether the numbers are of the test side.
    """
    sign = 1 if changes[place] > 0 else -1
    for size in range(1, 7):
        told = [*changes[:place], sign * size, *changes[place + 1 :]]
        possible = _in_range(start, told) and _held_out(start, [*map(abs, told)]) == test
        if possible and told != list(changes):
            yield told
