"""Questions on disk: dataset rows, their sources, mixtures and checks."""

from gtalign.data.duplicates import DuplicateConfig
from gtalign.data.mixture import MixtureConfig
from gtalign.data.rows import read_rows
from gtalign.data.schema import RowWriter

__all__ = ["DuplicateConfig", "MixtureConfig", "RowWriter", "read_rows"]
