"""Speed of the Pareto measures: two models with 20,000 points each, 1,000 resamples, on one core.

    python benchmarks/pareto.py [--points 20000] [--resamples 1000]

The limit is a minute. The peer is a plain double loop over the points, in Python: frontier of each
model, joint frontier, share of it that each model reaches, additive epsilon, hypervolume as a sum
of rectangles. Its time grows with the square of the points, so both are compared on fewer of them,
in the same run, and their results have to be equal. Times are those of the processor.
"""

import argparse
import time

import numpy as np

from gtalign.evaluation import pareto
from gtalign.evaluation.fronts import measure_fronts

LIMIT = 60.0  # seconds
EPSILON = 0.01
Point = tuple[float, float]


def drawn(rng: np.random.Generator, points: int) -> np.ndarray:
    """Welfare of two models, shape [1, points, 2, 2]: the second is better to the LLM."""
    found = rng.beta(4, 3, size=(1, points, 2, 2))
    found[:, :, 1] *= (0.97, 1.0)
    return found


def dominates(a: Point, b: Point) -> bool:
    return a[0] >= b[0] and a[1] >= b[1] and a != b


def looped(sets: list[list[Point]]) -> list[float]:
    """The measures of each set, by comparing every point with every other."""
    fronts = [[p for p in points if not any(dominates(q, p) for q in points)] for points in sets]
    every = [p for points in sets for p in points]
    joint = sorted({p for p in every if not any(dominates(q, p) for q in every)})
    found = []
    for own in fronts:
        area, reached = 0.0, 0.0
        for user, llm in sorted(own, reverse=True):
            area += user * max(0.0, llm - reached)
            reached = max(reached, llm)
        lacks = [min(max(f - x, g - y) for x, y in own) for f, g in joint]
        found += [area, float(np.mean([lack <= EPSILON for lack in lacks])), max(0.0, *lacks)]
    return found


def ours(sets: list[np.ndarray]) -> list[float]:
    """The same by `gtalign.evaluation.pareto`."""
    joint = pareto.joint_frontier(sets)
    return [
        number
        for points in sets
        for number in (
            pareto.hypervolume(points),
            pareto.covered(points, joint, EPSILON),
            pareto.additive_epsilon(points, joint),
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=20_000, help="points of each model")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=2000, help="points of the double loop")
    given = parser.parse_args()
    rng = np.random.default_rng(0)

    few = np.round(drawn(rng, given.loop)[0], 9)
    sets = [few[:, model] for model in range(2)]
    tuples = [[(float(u), float(v)) for u, v in points] for points in sets]
    ours(sets)  # loads moocore
    began = time.process_time()
    expected = looped(tuples)
    loop = time.process_time() - began
    repeats = 50
    began = time.process_time()
    for _ in range(repeats):
        found = ours(sets)
    own = (time.process_time() - began) / repeats
    np.testing.assert_allclose(found, expected, atol=1e-9)
    print(
        f"{given.loop:,} points a model, once: double loop {loop:.2f} s, ours {own * 1000:.2f} ms"
    )
    print(f"ratio: {loop / own:,.0f} times as fast, with equal results\n")

    points = drawn(rng, given.points)
    began = time.process_time()
    measure_fronts(
        points, ["a", "b"], range(given.points), rng=rng, epsilon=EPSILON, count=given.resamples
    )
    spent = time.process_time() - began
    print(f"{given.points:,} points a model, {given.resamples:,} resamples: {spent:.1f} s")
    print(f"ratio: {spent / LIMIT:.2f} of the limit of a minute")


if __name__ == "__main__":
    main()
