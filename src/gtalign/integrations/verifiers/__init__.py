"""verifiers v1: single answers and conversations as tasksets, for evaluation and for prime-rl.

Their ids are ``gtalign-answers`` and ``gtalign-conversations``: verifiers looks for a taskset in
the module of its name, so that each has one at the top.
"""

__all__: list[str] = []  # verifiers finds what is here by the names of the two modules
