"""How often a comparison of two equal models says that one is better: its false alarms at .05.

Both models draw their outcomes from one distribution, so that any p value below .05 is an error. A
method that holds its level finds one in 5% of comparisons. Next to ours stands the percentile
bootstrap, which many evaluations use.

    python benchmarks/levels.py --runs 4000
"""

import argparse
from collections.abc import Callable

import numpy as np

from gtalign.evaluation.contrast import contrasts
from gtalign.evaluation.draws import resamples
from gtalign.evaluation.sums import PairedSums

Floats = np.ndarray
CLUSTERS = (2, 5, 10, 20, 50)
Draw = Callable[[np.random.Generator, int, int], Floats]

OUTCOMES: dict[str, Draw] = {
    "continuous (normal)": lambda rng, runs, rows: rng.normal(size=(runs, rows)),
    "skewed (exponential)": lambda rng, runs, rows: rng.exponential(size=(runs, rows)),
    "skewed (log-normal)": lambda rng, runs, rows: rng.lognormal(size=(runs, rows)),
    "0/1, half are right": lambda rng, runs, rows: (rng.random((runs, rows)) < 0.5) * 1.0,
    "0/1, 30% are right": lambda rng, runs, rows: (rng.random((runs, rows)) < 0.3) * 1.0,
}


def rejected(sums: PairedSums, rng: np.random.Generator, count: int) -> Floats:
    """Whether our p value is at most .05, for each of K comparisons."""
    found = contrasts(sums, rng, count)
    return np.array([one.p is not None and one.p <= 0.05 for one in found])


def percentile(sums: PairedSums, rng: np.random.Generator, count: int) -> Floats:
    """The same for the percentile bootstrap, with the p value that fits its interval."""
    columns = np.concatenate(sums.parts, axis=1)
    drawn = np.concatenate(
        [w @ columns for w in resamples(sums.groups, rng, count, columns.shape[1])]
    )
    ta, ba, tb, bb = np.split(drawn, 4, axis=1)
    differences = ta / ba - tb / bb
    tails = np.minimum((differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0))
    return 2 * (tails + 1) / (count + 1) <= 0.05


def levels(draw: Draw, clusters: int, answers: int, runs: int, count: int) -> tuple[float, float]:
    """Shares of comparisons in which ours and the percentile bootstrap raise a false alarm.

    Args:
        draw: Draws outcomes.
        clusters: Questions of a comparison.
        answers: Answers of each model to a question.
        runs: Number of comparisons.
        count: Resamples of each.
    """
    rng = np.random.default_rng([clusters, answers])
    found = []
    for _ in range(0, runs, 200):
        a, b = (
            draw(rng, clusters, 200 * answers).reshape(clusters, 200, answers).sum(axis=2)
            for _ in range(2)
        )
        rows = np.full((clusters, 200), float(answers))
        sums = PairedSums(a, rows, b, rows)
        found.append((rejected(sums, rng, count).mean(), percentile(sums, rng, count).mean()))
    ours, theirs = np.mean(found, axis=0)
    return float(ours), float(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="comparisons of each cell")
    parser.add_argument("--resamples", type=int, default=1000, help="resamples of each comparison")
    parser.add_argument("--questions", type=int, nargs="+", default=CLUSTERS)
    given = parser.parse_args()
    error = 100 * np.sqrt(0.05 * 0.95 / given.runs)
    print(f"false alarms at .05 in {given.runs:,} comparisons, in % (standard error {error:.1f});")
    print("in brackets the percentile bootstrap\n")
    print("| outcomes | answers | " + " | ".join(f"{n} questions" for n in given.questions) + " |")
    print("|---|---|" + "---|" * len(given.questions))
    for name, draw in OUTCOMES.items():
        for answers in (1, 4):
            cells = (levels(draw, n, answers, given.runs, given.resamples) for n in given.questions)
            shown = " | ".join(f"{100 * ours:.1f} [{100 * theirs:.1f}]" for ours, theirs in cells)
            print(f"| {name} | {answers} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
