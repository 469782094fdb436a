"""Runs side by side: the transcripts of several files, compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gtalign import __version__
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.contrast import RESAMPLES
from gtalign.evaluation.files import read_files, reference_of, transcript_files
from gtalign.evaluation.report import write_report
from gtalign.files.lines import read_lines
from gtalign.transcripts import Transcript


def compare_runs(
    files: Sequence[Path],
    *,
    reference: str | None = None,
    baselines: Sequence[str] | None = None,
    html: Path | None = None,
    score: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the models of some files of transcripts, and write the report if a path is given.

    Args:
        files: Transcripts, or answers in another form that `gtalign.transcripts` reads; a folder
            stands for the transcripts of the runs in it.
        reference: The model to compare with the others; by default ``mutual``, else the last one.
        baselines: The models to compare it with; by default all others.
        html: Path of the report; None writes none.
        score: The score that counts, where files of another framework give several.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples.

    Raises:
        DataError: A file is wrong or empty, a named model has no transcripts, or the models share
            no question.
        StorageError: The report cannot be written.
    """
    by_file = read_files(transcript_files(files), score)
    transcripts = [transcript for held in by_file.values() for transcript in held]
    chosen = reference_of(transcripts, reference)
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
