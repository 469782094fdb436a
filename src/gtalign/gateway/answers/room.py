"""Fit a steered answer into the engine's context, which its instruction has to share."""

from collections.abc import Sequence
from typing import Final

from gtalign.game import USER_LLM
from gtalign.gateway.errors import Unsteerable
from gtalign.gateway.upstream import Upstream
from gtalign.steering import SteeringSettings
from gtalign.steering.budget import least_tokens
from gtalign.steering.http import HTTPBackend
from gtalign.tasks import Message

_AROUND: Final = 8  # tokens that a chat template sets around a message, at most
_MARGIN: Final = 16
_BYTES: Final = 3  # of a token, where nobody counts
_INSTRUCTION: Final = 800  # tokens of the longest instruction, where nobody counts


async def fitted(
    upstream: Upstream, messages: Sequence[Message], settings: SteeringSettings, most: int
) -> int:
    """The tokens that an answer may have: `most`, or what the engine's context leaves for it.

    Args:
        upstream: The engine.
        messages: The conversation.
        settings: How it is steered.
        most: Most tokens of the answer by its request, or by default.

    Raises:
        Unsteerable: The context has no room for a chain and a response.
    """
    backend = upstream.backend
    if not isinstance(backend, HTTPBackend) or backend.context is None:
        return most
    text = "\n".join(message["content"] for message in messages)
    size = len(text.encode("utf-8", "replace"))
    around = _AROUND * (len(messages) + 1) + _MARGIN
    if settings.instructs:
        counted = upstream.instruction_tokens
        around += _INSTRUCTION if counted is None else counted
    left = backend.context - around
    if size + most <= left:  # no token is shorter than a byte
        return most
    read = await backend.count(text)
    room = min(most, left - (size // _BYTES if read is None else read))
    least = 1 if settings.trained else least_tokens(settings.blocks, USER_LLM)
    if room < min(least, most):
        told = f"the engine's context of {backend.context} tokens has no room for a steered answer"
        raise Unsteerable("context", told, param="messages")
    return room
