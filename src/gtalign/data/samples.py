"""Small files that come with the package, so that every command can be tried without a network."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gtalign.config import shipped

_FOLDER = Path(__file__).with_name("samples")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to try commands on.

    Args:
        holds: What it holds.
        command: A command to try on it, in the folder that holds the copies.
    """

    holds: str
    command: str


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        "matrix.json": Sample("a payoff matrix", "gtalign solve matrix.json"),
        "matrices.jsonl": Sample("four payoff matrices", "gtalign solve matrices.jsonl --json"),
        "questions.jsonl": Sample(
            "twelve questions of four tasks", "gtalign data inspect questions.jsonl"
        ),
        "chats.jsonl": Sample(
            "six chats that name no task", "gtalign score chats.jsonl --judge FILE"
        ),
        "before.jsonl": Sample("24 scored transcripts of a model", "gtalign score before.jsonl"),
        "after.jsonl": Sample(
            "the same questions, answered by another model",
            "gtalign compare before.jsonl after.jsonl",
        ),
        "labelled.jsonl": Sample(
            "chats, most with a person's label", "gtalign judges check labelled.jsonl"
        ),
    }
)
"""The files by name."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "lab": "gtalign lab --config",
        "synth": "gtalign synth --config",
        "sft": "gtalign sft --config",
        "dpo": "gtalign dpo --config",
        "rl": "gtalign rl --config",
        "eval": "gtalign eval --config",
        "reward": "gtalign score FILE --config",
        "judges": "gtalign score FILE --judge",
        "gateway": "gtalign serve MODEL --config",
        "games": "gtalign steer MODEL --game",
    }
)
"""The option that takes the configurations of each kind."""


def copy_samples(to: Path) -> list[Path]:
    """Copy every sample and configuration into a folder; files that are there stay as they are.

    Args:
        to: The folder; configurations go into its folder ``configs``.

    Returns:
        The files that were written.
    """
    wanted = {to / name: _FOLDER / name for name in SAMPLES}
    for kind in (*KINDS, "policies"):
        folder = next(iter(shipped(kind).values())).parent
        files = sorted(folder.iterdir())  # with the prompts that lie beside configurations
        wanted |= {to / "configs" / kind / file.name: file for file in files}
    written = []
    for target, source in wanted.items():
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            written.append(target)
    return written
