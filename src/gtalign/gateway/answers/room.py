"""Fit a steered answer into the engine's context, which its instruction has to share."""

from collections.abc import Iterator
from typing import Final

from gtalign.chain.tools import tool_prompt
from gtalign.gateway.errors import Unsteerable
from gtalign.gateway.text import to_json
from gtalign.gateway.upstream import Upstream
from gtalign.steering import Ask, SteeringSettings
from gtalign.steering.budget import least_tokens
from gtalign.steering.http import HTTPBackend

_AROUND: Final = 8  # tokens that a chat template sets around a message, at most
_MARGIN: Final = 16
_BYTES: Final = 3  # of a token, where nobody counts
_INSTRUCTION: Final = 800  # tokens of the longest instruction, where nobody counts


async def fitted(upstream: Upstream, ask: Ask, settings: SteeringSettings) -> int:
    """The tokens that an answer may have: what it asks for, or what the engine's context leaves.

    Args:
        upstream: The engine.
        ask: The request.
        settings: How it is steered.

    Raises:
        Unsteerable: The context has no room for a chain and a response.
    """
    backend, messages, most = upstream.backend, ask.messages, ask.max_tokens
    if not isinstance(backend, HTTPBackend) or backend.context is None:
        return most
    text = "\n".join(_texts(ask))
    size = len(text.encode("utf-8", "replace"))
    around = _AROUND * (len(messages) + 1) + _MARGIN
    if settings.instructs:
        counted = await upstream.counted_instruction(settings)
        around += _INSTRUCTION if counted is None else counted
    left = backend.context - around
    if size + most <= left:  # no token is shorter than a byte
        return most
    read = await backend.count(text)
    room = min(most, left - (size // _BYTES if read is None else read))
    least = 1 if settings.trained else least_tokens(settings.blocks, upstream.form, settings.belief)
    if room < min(least, most):
        told = f"the engine's context of {backend.context} tokens has no room for a steered answer"
        raise Unsteerable("context", told, param="messages")
    return room


def _texts(ask: Ask) -> Iterator[str]:
    """The texts of the prompt: what was said and called, and the tools."""
    for message in ask.messages:
        yield message["content"]
        if "tool_calls" in message:
            yield to_json(message["tool_calls"]).decode()
    if ask.tools is not None:
        yield tool_prompt(ask.tools)
