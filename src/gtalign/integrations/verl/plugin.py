"""What ``import verl`` loads, by the entry point ``verl.plugins``: all that registers itself."""

from gtalign.integrations.verl import manager
from gtalign.integrations.verl.loops import conversation, counterfactual

__all__ = ["conversation", "counterfactual", "manager"]
