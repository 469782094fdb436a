"""What the gateway tells the person who starts it."""

import sys

from gtalign.gateway.served import Models
from gtalign.steering import SteeringSettings


def show_ready(steering: SteeringSettings, models: Models, address: str, pages: str) -> None:
    """Tell where the gateway and its dashboard are, and when no decision can come of it.

    Args:
        steering: How answers are steered.
        models: The models and their engines.
        address: Address of the gateway.
        pages: Address of its dashboard.
    """
    begin = f"gateway at {address}, "
    for model in models:
        for engine in model.engines:
            name = model.name or "not known yet"
            said = f"down: {engine.problem}"
            if engine.upstream is not None and engine.problem is None:
                said = engine.upstream.backend.name
            _tell(f"{begin}model {name}, {said}")
            begin = ""
    _tell(f"dashboard at {pages}/dashboard")
    if steering.mode == "observe" and not (steering.trained or steering.shadow):
        _tell(
            "mode observe asks the model for no chain, so no matrix will be on record;"
            " --set steering.shadow=0.1 asks for the chain of one answer in ten"
        )


def show_key(secret: str) -> None:
    """Print a new admin key, alone on stdout."""
    _tell("the new admin key, shown this once:")
    print(secret, flush=True)


def show_written(count: int) -> None:
    """Tell that the answers of a demo are on record."""
    _tell(f"{count} decisions are on record; the dashboard shows them")


def _tell(text: str) -> None:
    print(f"gtalign: {text}", file=sys.stderr, flush=True)
