"""The audit store: every decision on record, and how records are found, summed and exported."""

from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.filter import Filter
from gtalign.gateway.store.reader import Reader

__all__ = ["Filter", "Reader", "open_store"]
