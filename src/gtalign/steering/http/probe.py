"""Find out which engine a server runs, and by which method it really continues a message."""

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from gtalign.errors import RefusedError, SteeringError, UnreachableError, UpstreamError
from gtalign.models.listed import listed
from gtalign.models.names import SERVER_KEY
from gtalign.steering.backend import Sampling
from gtalign.steering.http.backend import METHODS, HTTPBackend, Method, MethodTrial, explained
from gtalign.steering.http.completions import Render
from gtalign.steering.http.engines import (
    LLAMA_CPP,
    OWNERS,
    SGLANG,
    UNKNOWN,
    VLLM,
    Engine,
)
from gtalign.steering.http.exchange import Timeouts
from gtalign.steering.http.pieces import LARGEST_COUNT
from gtalign.steering.http.transport import Transport
from gtalign.tasks import Message

_TOKENS: Final = 24  # enough for a number and what follows, even of a character or two each
_CONTEXTS: Final = ("max_model_len", "context_length", "context_window", "max_context_length")
_QUESTION: Final[list[Message]] = [
    {"role": "user", "content": "Which of the two roads leads to the lake?"}
]
_CONTINUES: Final = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*(?:[,}]|$)")
_PLACES: Final = (
    ("/version", "version", VLLM),
    ("/props", "default_generation_settings", LLAMA_CPP),
    ("/get_server_info", "", SGLANG),
    ("/server_info", "", SGLANG),
)
"""Where kinds of engine describe themselves, and a key of that answer."""


async def connect(
    url: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    method: Method | Literal["auto"] = "auto",
    render: Render | None = None,
    timeouts: Timeouts | None = None,
    fallback_reask: bool = False,
) -> HTTPBackend:
    """Connect to a model server and find out how it continues messages.

    The probe tries each method on a prefix that no model would write, and that ends where only a
    number can follow. An engine that does not really continue the prefix starts again or repeats
    it, so the probe can tell.

    Args:
        url: Address of its OpenAI-compatible interface, such as ``http://127.0.0.1:8000/v1``.
        model: Name of the model; None takes the first that the server lists.
        api_key: Its key; None takes ``GTALIGN_UPSTREAM_KEY`` from the environment, if it is set.
        method: The only method to try; ``auto`` takes the best that works, ``none`` tries nothing.
        render: Renders a conversation for ``completions-text`` (a local tokenizer's chat template)
            where the server cannot.
        timeouts: How long to wait.
        fallback_reask: Whether to return a backend that cannot resume if no method works.

    Raises:
        UpstreamError: The server cannot be reached, or lists no model.
        SteeringError: No method works; says why each failed and what would help.
    """
    if method != "auto" and method not in (*METHODS, "none"):
        known = ", ".join(("auto", *METHODS, "none"))
        raise SteeringError(f"unknown method {method!r}; there are {known}")
    key = api_key if api_key is not None else os.environ.get(SERVER_KEY)
    transport = Transport(url, key, timeouts or Timeouts())
    try:
        return await _probe(transport, model, method, render, fallback_reask)
    except BaseException:
        await transport.aclose()
        raise


async def _probe(
    transport: Transport,
    model: str | None,
    method: Method | Literal["auto"],
    render: Render | None,
    fallback_reask: bool,
) -> HTTPBackend:
    model, card = await _model(transport, model)
    engine = await _engine(transport, str(card.get("owned_by", "")))
    context = await _context(transport, card, engine)
    trials: list[MethodTrial] = []
    methods: Iterable[Method] = METHODS if method == "auto" else (method,)
    for candidate in methods:
        backend = HTTPBackend(transport, model, engine, candidate, render, context=context)
        if candidate != "none":
            trials.append(await _try(backend))
        if candidate == "none" or trials[-1].works:
            backend.report = tuple(trials)
            return backend
    if fallback_reask:
        return HTTPBackend(transport, model, engine, "none", None, tuple(trials), context)
    raise SteeringError(
        f"{transport.api} ({engine.name}) cannot continue a message of {model!r}."
        f" {explained(trials)}. What would help: a server that continues messages (vLLM, SGLang or"
        " llama.cpp); for one that has /v1/completions, the folder of the model's tokenizer, whose"
        " chat template renders the prompt (steer: --tokenizer, serve: --set upstream.tokenizer=,"
        " Python: render=); or to ask again instead (steer: --fallback reask, serve: --set"
        " steering.fallback=reask, Python: fallback_reask=True)"
    )


async def _model(transport: Transport, model: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the model, and what its server says about it."""
    upstream = transport.api
    try:
        answer = await transport.ask("/v1/models", upstream=upstream)
    except UnreachableError:
        raise
    except UpstreamError:
        if model is None:
            raise
        return model, {}
    cards = listed(answer)
    if model is None:
        if not cards:
            raise UpstreamError(upstream, "GET /v1/models lists no model; name one")
        return cards[0]["id"], cards[0]
    return model, next((card for card in cards if card["id"] == model), {})


async def _context(transport: Transport, card: Mapping[str, Any], engine: Engine) -> int | None:
    """Return how many tokens a prompt and its answer may have together; None if unknown."""
    said: list[Any] = [card.get(name) for name in _CONTEXTS]
    if engine is LLAMA_CPP:
        try:
            props = await transport.ask("/props", upstream=transport.api)
            said.insert(0, props["default_generation_settings"]["n_ctx"])
        except (UpstreamError, LookupError, TypeError):
            pass  # it does not tell
    return next((n for n in said if type(n) is int and 0 < n < LARGEST_COUNT), None)


async def _engine(transport: Transport, owner: str) -> Engine:
    """Return the kind of the server, from its list of models or else from its own pages."""
    if owner in OWNERS:
        return OWNERS[owner]
    for path, key, engine in _PLACES:
        try:
            answer: Any = await transport.ask(path, upstream=transport.api)
        except UpstreamError:
            continue  # it has no such place
        if isinstance(answer, dict) and answer and (not key or key in answer):
            return engine
    return UNKNOWN


async def _try(backend: HTTPBackend) -> MethodTrial:
    """Let a backend continue nonsense, and judge what it writes.

    Raises:
        UpstreamError: The server is not there, or is still loading its model.
    """
    nonce = secrets.token_hex(6)
    prefix = (  # spelled as a model that was trained on chains would
        f"<thinking>{nonce} lanterns under the seventh stair.</thinking>"
        '<payoff>{"DQ_AQ":{"LLM":1,"user":'
    )
    written = ""
    try:
        draft = backend.open(_QUESTION, Sampling(temperature=0.0))
        draft.rewrite(prefix)
        async for piece in draft.write(max_tokens=_TOKENS):
            written += piece
    except SteeringError as error:
        if isinstance(error, UnreachableError) or _loads(error):
            raise
        reason = str(error).removeprefix(f"{backend.name}: ")
        return MethodTrial(backend.method, False, reason)
    shown = repr(written[:60]) + ("..." if len(written) > 60 else "")
    if nonce in written:
        return MethodTrial(backend.method, False, f"repeats the text to continue: {shown}")
    if not _CONTINUES.match(written):
        return MethodTrial(
            backend.method, False, f"starts again, where only a number could follow: {shown}"
        )
    return MethodTrial(backend.method, True, f"continues with {shown}")


def _loads(error: SteeringError) -> bool:
    """Whether a server refused because it is not ready yet, which says nothing of a method."""
    return isinstance(error, RefusedError) and error.status == 503
