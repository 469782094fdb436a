"""The runs that a table is made of: their answers, and which model is compared with which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gtalign.errors import DataError
from gtalign.evaluation.columns import Columns
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Comparison, Group
from gtalign.evaluation.contrast import RESAMPLES
from gtalign.evaluation.files import read_files, reference_of, transcript_files
from gtalign.evaluation.pairing import pair
from gtalign.evaluation.rows import Rows
from gtalign.transcripts import Transcript


@dataclass(frozen=True)
class Study:
    """Some runs.

    Args:
        paths: Files of transcripts, and folders with such files.
        named_reference: The model to compare with the others; None for the usual one.
        named_baselines: The models to compare it with; None for all others.
        score: The score that counts, where files of another framework give several.
        seed: Seed of the resamples.
        resamples: Number of resamples.
    """

    paths: Sequence[Path]
    named_reference: str | None = None
    named_baselines: Sequence[str] | None = None
    score: str | None = None
    seed: int = 0
    resamples: int = RESAMPLES

    def rng(self) -> np.random.Generator:
        """A fresh generator; every table draws the same resamples."""
        return np.random.default_rng(self.seed)

    @cached_property
    def by_file(self) -> Mapping[Path, Sequence[Transcript]]:
        """The answers of each file, steered ones left out.

        Raises:
            DataError: A file is wrong or empty, or none has answers that were not steered.
        """
        return read_files(transcript_files(self.paths), self.score)

    @cached_property
    def answers(self) -> list[Transcript]:
        """All answers."""
        return [transcript for held in self.by_file.values() for transcript in held]

    @cached_property
    def reference(self) -> str:
        """The model that the others are compared with.

        Raises:
            DataError: The named one has no answers.
        """
        return reference_of(self.answers, self.named_reference)

    @cached_property
    def baselines(self) -> list[str]:
        """The models that it is compared with.

        Raises:
            DataError: A named one has no answers.
        """
        names = list(dict.fromkeys(transcript.model for transcript in self.answers))
        chosen = [m for m in names if m != self.reference]
        if self.named_baselines is not None:
            chosen = list(self.named_baselines)
        for name in chosen:
            if name not in names:
                raise DataError(f"no transcripts of model {name!r}; there are {', '.join(names)}")
        return chosen

    @property
    def models(self) -> list[str]:
        """The baselines, then the reference."""
        return [*self.baselines, self.reference]

    @cached_property
    def rows(self) -> Rows:
        """The answers as arrays; questions are named as `gtalign.evaluation.pairing` finds."""
        return Rows(self.answers, pair(self.answers, self.reference, self.baselines)[0])

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison of the models, with its groups."""
        return compare(
            self.answers,
            reference=self.reference,
            baselines=self.baselines,
            rng=self.rng(),
            resamples=self.resamples,
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The splits, then their tasks."""
        return self.comparison.groups

    def columns(self, group: Group | None = None) -> Columns:
        """The answers of a group; all of them by default."""
        return Columns(self.rows, group)

    def split(self, name: str) -> list[Group]:
        """The group of a split and those of its tasks; every group but ``ood`` for ``test``."""
        if name == "ood":
            return [group for group in self.groups if group.split == "ood"]
        return [group for group in self.groups if group.split != "ood"]
