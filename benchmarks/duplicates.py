"""Near duplicates by MinHash, as a ratio to comparing every pair, and how many of them are found.

    python benchmarks/duplicates.py [--texts 1000] [--file rows.parquet]

Without a file the texts are made up: a third are copies of an earlier one with some words changed.
The peer is the exact Jaccard similarity of the same shingles for every pair, measured in the same
run; it skips pairs whose sizes alone rule them out. Recall is the share of the texts that nearly
repeat an earlier one for which one was found. Precision is 1 by construction and counted all the
same.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from gtalign.data.duplicates import DuplicateConfig, jaccard, normalised, repeated, shingles
from gtalign.data.rows import read_rows


def made_up(count: int, rng: np.random.Generator) -> list[str]:
    vocabulary = np.array(["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(2000)])
    texts: list[str] = []
    for number in range(count):
        if number % 3 == 2:
            words = np.array(texts[rng.integers(len(texts))].split())
            changed = rng.integers(0, len(words) // 10)
            words[rng.choice(len(words), changed, replace=False)] = rng.choice(vocabulary, changed)
        else:
            words = rng.choice(vocabulary, rng.integers(30, 120))
        texts.append(" ".join(words))
    return texts


def brute_force(texts: list[str], config: DuplicateConfig) -> set[int]:
    """The texts that nearly or exactly repeat an earlier one."""
    sets = [shingles(normalised(text), config.shingle) for text in texts]
    found = set()
    for j, second in enumerate(sets):
        for first in sets[:j]:
            small, large = sorted((len(first), len(second)))
            if small >= config.threshold * large and jaccard(first, second) >= config.threshold:
                found.add(j)
                break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    if options.file is None:
        texts = made_up(options.texts, rng)
    else:
        every = [question.text for question in read_rows(options.file)]
        chosen = rng.permutation(len(every))[: options.texts]
        texts = [every[i] for i in sorted(chosen)]
    size = sum(map(len, texts)) / 1e6
    print(f"{len(texts)} texts of {size:.2f} million characters in all\n")
    print("threshold   every pair   MinHash   ratio   repeats   recall   precision")
    for threshold in (0.5, 0.7, 0.8, 0.9):
        config = DuplicateConfig(threshold=threshold)
        start = time.perf_counter()
        truth = brute_force(texts, config)
        middle = time.perf_counter()
        found = set(repeated(texts, config))
        pairs, minhash = middle - start, time.perf_counter() - middle
        recall = f"{len(found & truth) / len(truth):.4f}" if truth else "-"
        precision = f"{len(found & truth) / len(found):.4f}" if found else "-"
        print(
            f"{threshold:9.2f}{pairs:11.2f} s{minhash:8.2f} s{pairs / minhash:8.1f}"
            f"{len(truth):10}{recall:>9}{precision:>12}"
        )


if __name__ == "__main__":
    main()
