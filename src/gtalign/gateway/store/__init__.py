"""The audit store: write a record of every decision; find, sum and export records."""

from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.reader import Reader

__all__ = ["Filter", "Reader", "open_store"]
