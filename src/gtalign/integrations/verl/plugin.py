"""What ``import verl`` loads, by the entry point ``verl.plugins``: all that registers itself."""

from gtalign.integrations.verl import manager

__all__ = ["manager"]
