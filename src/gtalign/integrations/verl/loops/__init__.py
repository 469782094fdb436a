"""How completions are drawn, where one prompt and one answer are not all: agent loops of verl.

They are ``gtalign_conversation`` and ``gtalign_counterfactual``, registered when verl is imported;
importing their modules loads verl.
"""

__all__: list[str] = []  # verl finds them by their names
