"""What steering costs in process: going on from the edited matrix, or asking again.

    python benchmarks/steering.py CHECKPOINT [--questions 20]

Both ways answer the same questions of the small world with the same seeds under per-token pricing.
The limit is an answer that is not steered at all, of which every position is computed once: so many
more positions did the network compute for going on. Of those, the tokens of the edited matrix and
of the tag behind it have to be computed; ``twice`` counts what was computed beyond them.
"""

import argparse
import asyncio
import time
from pathlib import Path

import numpy as np

try:
    import torch
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing.name} is missing: in a clone, pip install -e '.[train]'") from None
from transformers.utils import logging

from gtalign.lab.world import make_world
from gtalign.models.model import open_model
from gtalign.steering import (
    Ask,
    Sampling,
    Session,
    Steered,
    Steering,
    SteeringSettings,
    load_policy,
)
from gtalign.steering.local import TransformersBackend
from gtalign.tasks import Question

WAYS = {
    "not steered": {"mode": "observe"},
    "go on": {"mode": "advise"},
    "ask again": {"mode": "advise", "resume": "reask"},
}
POLICY = load_policy("per-token", ["utility_of_money=300"])


def answer(
    backend: TransformersBackend, way: str, question: Question, seed: int
) -> tuple[Steered, int, float]:
    """An answer, the positions that the network computed for it, and its seconds."""
    settings = SteeringSettings.model_validate({"instruct": False, **WAYS[way]})
    ask = Ask(question.messages, max_tokens=480, sampling=Sampling(seed=seed))
    before, start = backend.positions, time.perf_counter()
    written = asyncio.run(Session(Steering(backend, POLICY, settings), ask).answer())
    return written, backend.positions - before, time.perf_counter() - start


def twice(backend: TransformersBackend, written: Steered, positions: int) -> int | None:
    """Positions computed beyond the prompt, the written tokens and those of the edited matrix."""
    if not written.decision.steered or written.decision.retries:
        return None
    first, *others = written.decision.phases
    assert first.prompt_tokens is not None
    matrix = written.text[written.text.index("<payoff>") :].partition("<analyze>")
    edited = len(backend.tokenizer(matrix[0] + matrix[1], add_special_tokens=False)["input_ids"])
    needed = first.prompt_tokens + first.tokens + edited + sum(p.tokens for p in others)
    return max(0, positions - needed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--questions", type=int, default=20)
    given = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    backend = TransformersBackend(open_model(given.checkpoint))
    questions = make_world(0, 1, given.questions).test[: given.questions]
    answer(backend, "go on", questions[0], 0)  # warms up

    found: dict[str, list[tuple[Steered, int, float]]] = {way: [] for way in WAYS}
    for seed, question in enumerate(questions):
        for way in WAYS:
            found[way].append(answer(backend, way, question, seed))
    means = {
        way: np.mean([(a.tokens, positions, s) for a, positions, s in rows], axis=0)
        for way, rows in found.items()
    }
    print(f"{len(questions)} questions; ratios to an answer that is not steered")
    print(f"{'':<12} {'tokens':>15} {'positions':>15} {'seconds':>15}")
    for way, row in means.items():
        ratios = row / means["not steered"]
        cells = (f"{value:8.2f} ({ratio:4.2f})" for value, ratio in zip(row, ratios, strict=True))
        print(f"{way:<12} {' '.join(f'{cell:>15}' for cell in cells)}")
    again = [twice(backend, a, positions) for a, positions, _ in found["go on"]]
    known = [count for count in again if count is not None]
    print(
        f"computed twice, of {len(known)} steered answers without a retry: {sum(known)} positions"
    )
    print(f"ask again / go on: {means['ask again'][2] / means['go on'][2]:.2f} in seconds")


if __name__ == "__main__":
    main()
