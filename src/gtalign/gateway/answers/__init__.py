"""From a request to its answer: steered and recorded here, or passed through to the engine."""

__all__: list[str] = []  # the gateway alone uses what is here
