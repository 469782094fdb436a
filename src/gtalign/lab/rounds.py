"""Rounds of reinforcement learning: an arm that has ended and is asked for more steps goes on.

What an earlier round wrote stands in ``after-N-steps`` of the arm's folder, N steps from the
beginning. A further round begins with the weights of the last one, a new optimizer and a schedule
of its own, so two rounds of 40 steps are not one of 80; the report names them.
"""

import re
from pathlib import Path
from typing import Final

from gtalign.training.metrics import read_metrics

_ROUND: Final = re.compile(r"after-(\d+)-steps")


def rounds(folder: Path) -> dict[int, Path]:
    """Return the folders of an arm's earlier rounds, by the steps that were taken at their end."""
    found = ((_ROUND.fullmatch(path.name), path) for path in folder.glob("after-*-steps"))
    return dict(sorted((int(name[1]), path) for name, path in found if name is not None))


def round_folder(folder: Path, steps: int) -> Path:
    """Return the folder for what an arm had written after so many steps."""
    return folder / f"after-{steps}-steps"


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Return the metrics of an arm over all its rounds, with steps from the beginning."""
    lines, taken = [], 0
    for steps, path in [*rounds(folder).items(), (0, folder)]:
        lines += [
            {**line, "step": line["step"] + taken} for line in read_metrics(path / "metrics.jsonl")
        ]
        taken = steps
    return lines
