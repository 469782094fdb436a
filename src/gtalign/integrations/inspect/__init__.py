"""Inspect: the ask-or-answer suite as tasks, with our scorers and metrics.

``inspect eval gtalign/ask_or_answer`` asks single answers, and ``gtalign/conversation`` lets a
simulated user talk with the model. Inspect finds both by an entry point of the package.
"""

__all__: list[str] = []  # Inspect finds what is here through `registry`, which needs inspect_ai
