"""Runs side by side: the transcripts of several files, with a name for each model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from gtalign import __version__
from gtalign.data.lines import read_lines
from gtalign.errors import DataError
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.report import write_report
from gtalign.evaluation.statistics import RESAMPLES
from gtalign.transcripts import Transcript, read_transcripts

METHOD: Final = "mutual"
"""The default reference, if there are transcripts of it."""


def compare_runs(
    files: Sequence[Path],
    *,
    reference: str | None = None,
    baselines: Sequence[str] | None = None,
    html: Path | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the models of some files of transcripts, and write the report if a path is given.

    Transcripts without a model get the name of their file. A model that answers the same questions
    in two files gets two names.

    Args:
        files: JSON Lines; a file that is named twice is read once.
        reference: The model to compare with the others; by default `METHOD`, else the last one.
        baselines: The models to compare it with; by default all others.
        html: Path of the report; None writes none.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples.

    Raises:
        DataError: A file is wrong, there are no transcripts, or a named model has none.
        StorageError: The report cannot be written.
    """
    by_file = {path: _named(path, list(read_transcripts(path))) for path in dict.fromkeys(files)}
    transcripts = _told_apart(by_file)
    if not transcripts:
        raise DataError(f"{', '.join(map(str, files))}: no transcripts")
    models = list(dict.fromkeys(transcript.model for transcript in transcripts))
    chosen = reference or (METHOD if METHOD in models else models[-1])
    rng = np.random.default_rng(seed)
    if html is None:
        return compare(
            transcripts, reference=chosen, baselines=baselines, rng=rng, resamples=resamples
        )
    return write_report(
        html,
        title=f"{chosen} and its baselines",
        transcripts=transcripts,
        reference=chosen,
        baselines=baselines,
        rng=rng,
        resamples=resamples,
        curves=_curves(by_file),
        facts={
            "Files": ", ".join(map(str, by_file)),
            "Bootstrap": f"{resamples:,} resamples, seed {seed}",
            "Version": f"gtalign {__version__}",
        },
    )


def _named(path: Path, held: Sequence[Transcript]) -> list[Transcript]:
    """Give transcripts without a model the name of their file."""
    return [t if t.model else replace(t, model=path.stem) for t in held]


def _told_apart(by_file: Mapping[Path, Sequence[Transcript]]) -> list[Transcript]:
    """All transcripts; a model that answers the same questions in two files gets two names."""
    owners: dict[tuple[str, int | None, str, str], Path] = {}
    clashing = {
        t.model
        for path, held in by_file.items()
        for t in held
        if owners.setdefault((t.model, t.seed, t.task, t.id), path) != path
    }
    return [
        replace(t, model=f"{t.model} ({path.parent.name or path.stem})")
        if t.model in clashing
        else t
        for path, held in by_file.items()
        for t in held
    ]


def _curves(by_file: Mapping[Path, Sequence[Transcript]]) -> dict[str, list[dict[str, float]]]:
    """Training metrics that lie beside a file of one model's transcripts."""
    found = {}
    for path, held in by_file.items():
        beside = path.with_name("metrics.jsonl")
        runs = {(t.model, t.seed) for t in held}
        if len(runs) == 1 and beside.is_file():
            ((model, run),) = runs
            found[model if run is None else f"{model}/{run}"] = [r for _, r in read_lines(beside)]
    return found
