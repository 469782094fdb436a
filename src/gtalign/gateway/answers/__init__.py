"""From a request to its answer: steered and recorded here, or passed through to the engine."""
