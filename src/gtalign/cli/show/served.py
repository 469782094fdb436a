"""What the gateway tells the person who starts it."""

import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gtalign.errors import GTAlignError
from gtalign.gateway.demo import ask_all
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.upstream import Upstream
from gtalign.steering import SteeringSettings

log = logging.getLogger(__name__)


def show_ready(steering: SteeringSettings, server: Upstream, address: str) -> None:
    """Tell where the gateway and its dashboard are, and when no decision can come of it.

    Args:
        steering: How answers are steered.
        server: The engine.
        address: Address of the gateway.
    """
    _tell(f"gateway at {address}, model {server.name}, {server.backend.name}")
    _tell(f"dashboard at {address}/dashboard")
    if steering.mode == "observe" and not (steering.trained or steering.shadow):
        _tell(
            "mode observe asks the model for no chain, so no matrix will be on record;"
            " --set steering.shadow=0.1 asks for the chain of one answer in ten"
        )


def show_key(secret: str) -> None:
    """Print a new admin key, alone on stdout."""
    _tell("the new admin key, shown this once:")
    print(secret, flush=True)


def demo_of(count: int) -> Callable[[Gateway], Coroutine[Any, Any, None]]:
    """Return work that asks so many of the lab's questions under every policy, as a client would.

    Args:
        count: Number of questions.
    """

    async def demo(gateway: Gateway) -> None:
        from gtalign.lab.world import make_world

        questions = make_world(0, 1, count).test[:count]
        try:
            written = await ask_all(gateway, [question.messages for question in questions])
        except GTAlignError as error:
            log.warning("the demo ended early: %s", error)
            return
        _tell(f"{written} decisions are on record; the dashboard shows them")

    return demo


def _tell(text: str) -> None:
    print(f"gtalign: {text}", file=sys.stderr, flush=True)
