"""The engines that one answer can come from: the one that is asked, and those after it."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gtalign.errors import UpstreamError
from gtalign.gateway.engine import Engine
from gtalign.gateway.errors import APIError, elsewhere, repeatable
from gtalign.gateway.text import to_json
from gtalign.gateway.upstream import Upstream

_SPARE: Final = 1.25
"""How many times its share of the running answers an engine may have before a prompt that prefers
it goes to another one."""

_PREFIX: Final = 2048  # characters of a plain prompt that decide


class Route:
    """The engine of one answer, and those that can stand in for it.

    All phases of an answer are written by one engine, which has the earlier ones in its cache.
    Prompts that begin alike prefer the same engine, by weighted rendezvous hashing with bounded
    loads (Thaler and Ravishankar 1998; Mirrokni, Thorup and Zadimoghaddam 2018).

    Args:
        model: Name of the model, for messages.
        engines: Its engines.
        prompt: The messages, or the plain prompt, that will be sent.
        retries: How often the last engine may be asked again.
        wait: Seconds after which to try again where no engine is there.

    Raises:
        APIError: No engine of the model has answered yet (503).
    """

    def __init__(
        self, model: str, engines: Sequence[Engine], prompt: Any, *, retries: int, wait: float
    ) -> None:
        there = [engine for engine in engines if engine.upstream is not None]
        if not there:
            raise APIError(
                503,
                f"no engine of the model {model!r} is up; try later",
                code="no_engine",
                wait=wait,
            )
        up = [engine for engine in there if engine.problem is None]
        left = ranked(up or there, prompt)
        self._engine, self._others = left[0], left[1:]
        self._left = retries

    @property
    def upstream(self) -> Upstream:
        """The engine that is asked."""
        assert self._engine.upstream is not None
        return self._engine.upstream

    def again(self, error: UpstreamError, *, begun: bool = False) -> bool:
        """Whether to ask again after a failure of which the client has seen nothing.

        Another engine is asked if there is one, unless the request itself was refused. The same
        engine is asked only if it had not begun to answer.
        """
        self._engine.failed(error)
        if self._others and elsewhere(error):
            self.leave()
            self._engine = self._others.pop(0)
            self.enter()
            return True
        if begun or not repeatable(error) or not self._left:
            return False
        self._left -= 1
        return True

    def enter(self) -> None:
        """Count the answer among those running at its engine; `leave` ends that."""
        self._engine.running += 1
        self._engine.taken += 1

    def leave(self) -> None:
        """The answer is over."""
        self._engine.running -= 1


def ranked(engines: Sequence[Engine], prompt: Any) -> list[Engine]:
    """Engines in the order in which a prompt prefers them; reserves come last."""
    if len(engines) == 1:
        return list(engines)
    seed = beginning(prompt)
    weights = sum(engine.settings.weight for engine in engines) or 1.0
    most = _SPARE * (sum(engine.running for engine in engines) + 1) / weights

    def rank(engine: Engine) -> tuple[bool, bool, float]:
        weight = engine.settings.weight
        full = engine.running >= math.ceil(most * weight)
        named = hashlib.blake2b(engine.name.encode(), digest_size=8, key=seed).digest()
        drawn = (int.from_bytes(named) + 0.5) / 2**64
        return not weight, full, -math.log(drawn) / (weight or 1.0)

    return sorted(engines, key=rank)


def beginning(prompt: Any) -> bytes:
    """A digest of how a prompt begins: of a chat up to its first message of the user.

    Later turns of a chat begin like its first one, so they reach the engine that has it in its
    cache. What many chats share, such as a system message, is soon in the cache of every engine.
    """
    if isinstance(prompt, str):
        prompt = prompt[:_PREFIX]
    elif isinstance(prompt, Sequence):
        prompt = list(_opening(prompt[:_PREFIX]))
    return hashlib.blake2b(to_json(prompt), digest_size=32).digest()


def _opening(messages: Iterable[Any]) -> Iterable[Any]:
    for message in messages:
        yield message
        if isinstance(message, dict) and message.get("role") == "user":
            return
