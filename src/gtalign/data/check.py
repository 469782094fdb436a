"""Check files of questions: wrong rows, repeated rows, and questions shared with test files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.leakage import By, Known, Leakage, leakage
from gtalign.data.rows import read_rows
from gtalign.data.validate import ValidationReport, validate
from gtalign.errors import DataError


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many rows of a file repeat an earlier one, of this file or of one before it.

    Args:
        rows: Questions of the file.
        exact: Those with the same text.
        near: Those with nearly the same text.
    """

    rows: int
    exact: int
    near: int


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check. Files that cannot be read as questions are not compared.

    Args:
        config: What counts as a near duplicate.
        by: Texts that were compared.
        reports: The problems of every file.
        repeats: The duplicates of every file that can be read.
        shared: Questions that each test file shares with them.
    """

    config: DuplicateConfig
    by: By
    reports: Mapping[Path, ValidationReport]
    repeats: Mapping[Path, Repeats]
    shared: Sequence[tuple[Path, Leakage]]

    @property
    def wrong(self) -> bool:
        """Whether a row of any file is wrong."""
        return any(report.count for report in self.reports.values())

    def to_json(self) -> dict[str, Any]:
        """Return it as an object."""
        return {
            "files": [
                {
                    "file": str(path),
                    "rows": report.rows,
                    "wrong_rows": report.wrong_rows,
                    "problem_count": report.count,
                    "problems": [problem.to_json() for problem in report.problems],
                }
                for path, report in self.reports.items()
            ],
            "compared": {"by": self.by, **self.config.model_dump()},
            "duplicates": [{"file": str(p), **asdict(found)} for p, found in self.repeats.items()],
            "shared": [{"test": str(path), **asdict(found)} for path, found in self.shared],
        }


def check(
    files: Sequence[Path],
    tests: Sequence[Path] = (),
    config: DuplicateConfig | None = None,
    by: By = "question",
    limit: int = 20,
) -> Checked:
    """Check the rows of files, and compare the files with each other.

    Args:
        files: Files of training questions; a file that is named twice is checked once.
        tests: Files of test questions; they are compared with ``files``.
        config: What counts as a near duplicate.
        by: Texts to compare.
        limit: Most problems to keep of a file; all are counted.

    Raises:
        DataError: A file cannot be read at all.
    """
    config = config or DuplicateConfig()
    known = Known(config, by)
    reports = {path: validate(path, limit) for path in dict.fromkeys([*files, *tests])}
    whole = {path: report.count == 0 or _readable(path) for path, report in reports.items()}
    repeats = {path: _repeats(path, known) for path in dict.fromkeys(files) if whole[path]}
    shared = [(path, leakage(read_rows(path), known)) for path in tests if whole[path]]
    return Checked(config, by, reports, repeats, shared)


def _readable(path: Path) -> bool:
    """Whether each row of a file makes a question, for all that is wrong with it."""
    try:
        for _ in read_rows(path):
            pass
    except DataError:
        return False
    return True


def _repeats(path: Path, known: Known) -> Repeats:
    matches = [known.add(question) for question in read_rows(path)]
    found = [match for match in matches if match is not None]
    exact = sum(match.exact for match in found)
    return Repeats(len(matches), exact, len(found) - exact)
