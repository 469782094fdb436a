"""Questions on disk: dataset rows, their sources and mixtures, and what checks them."""

from gtalign.data.rows import read_rows

__all__ = ["read_rows"]
