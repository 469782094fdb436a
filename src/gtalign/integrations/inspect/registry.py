"""What Inspect finds: it loads this module by the entry point ``gtalign`` of ``inspect_ai``."""

from gtalign.integrations.inspect.answers import ask_or_answer
from gtalign.integrations.inspect.asking import ask_f1, ask_precision, ask_recall, asking
from gtalign.integrations.inspect.conversations import conversation, converse, conversed
from gtalign.integrations.inspect.welfare import welfare

__all__ = [
    "ask_f1",
    "ask_or_answer",
    "ask_precision",
    "ask_recall",
    "asking",
    "conversation",
    "converse",
    "conversed",
    "welfare",
]
