"""The backend: one model behind one server, and the way to continue its messages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gtalign.errors import SteeringError, UpstreamError
from gtalign.steering.backend import Sampling
from gtalign.steering.http.chat import ChatPrompt
from gtalign.steering.http.completions import Render, TextPrompt, TokenPrompt
from gtalign.steering.http.draft import EnginePrompt, HTTPDraft
from gtalign.steering.http.engines import UNKNOWN, Engine, Language
from gtalign.steering.http.transport import Transport
from gtalign.tasks import Message

Method = Literal[
    "completions-ids", "completions-text", "continue-final", "prefill", "prefix", "none"
]
"""How a message is continued, best first: as tokens, as rendered text, by flags of the chat
interface, by the last message's role alone, by a mark in the last message, or not at all."""

METHODS: Final[tuple[Method, ...]] = (
    "completions-ids",
    "completions-text",
    "continue-final",
    "prefill",
    "prefix",
)
"""The methods that continue messages, in the order in which they are tried."""

OWNED: Final = frozenset(
    {
        *("model", "prompt", "messages", "add_special_tokens", "suffix", "echo"),
        *("continue_final_message", "add_generation_prompt", "return_token_ids"),
        *("stream", "stream_options", "timings_per_token", "n", "best_of", "n_cmpl"),
        *("max_tokens", "max_completion_tokens", "n_predict", "min_tokens", "ignore_eos"),
        *("stop", "stop_token_ids", "stop_regex", "include_stop_str_in_output", "no_stop_trim"),
        *("grammar", "ebnf", "regex", "json_schema", "structured_outputs"),
        *("guided_grammar", "guided_json", "guided_regex", "guided_choice"),
        *("response_format", "tools", "tool_choice", "functions"),
        *("temperature", "top_p", "top_k", "seed"),
    }
)
"""Fields of a request that `Sampling.extra` may not set: steering depends on them, or they have a
place of their own."""

_RENDERING: Final = ("chat_template_kwargs",)  # fields that belong to where a chat is rendered


@dataclass(frozen=True, slots=True)
class MethodTrial:
    """One method that the probe tried.

    Args:
        method: The method.
        works: Whether the engine continued the prefix.
        detail: What it wrote, or why that is not a continuation.
    """

    method: Method
    works: bool
    detail: str


class HTTPBackend:
    """Writes with a model behind an HTTP server; see `gtalign.steering.Backend`.

    `connect` finds out the arguments; with known arguments no probe is needed.

    Args:
        transport: The connection to the server; `aclose` closes it.
        model: Name of the model.
        engine: Kind of the server.
        method: How messages are continued.
        render: Renders conversations for ``completions-text``; None where the server renders.
        report: The methods that the probe tried.
        context: Most tokens of a prompt and its answer together; None if the server does not tell.
    """

    def __init__(
        self,
        transport: Transport,
        model: str,
        engine: Engine,
        method: Method,
        render: Render | None = None,
        report: tuple[MethodTrial, ...] = (),
        context: int | None = None,
    ) -> None:
        self._transport = transport
        self._render = render
        self.model = model
        self.engine = engine
        self.method: Method = method
        self.report = report
        self.context = context

    @property
    def name(self) -> str:
        """Address, kind of engine and method."""
        return f"{self._transport.api} ({self.engine.name}, {self.method})"

    @property
    def fingerprint(self) -> str | None:
        """How the engine last named itself and its settings; None if it does not."""
        return self._transport.fingerprint

    @property
    def can_resume(self) -> bool:
        """Whether its drafts can be rewritten."""
        return self.method != "none"

    @property
    def grammar(self) -> Language | None:
        """Language of the grammars that can constrain it."""
        return self.engine.grammar

    def open(self, messages: Sequence[Message], sampling: Sampling) -> HTTPDraft:
        """Begin the next assistant message of a conversation; nothing is sent yet.

        Raises:
            SteeringError: The sampling is invalid, or sets a field that steering depends on.
        """
        _check(sampling)
        extra = dict(sampling.extra)
        rendering: dict[str, Any] = {}
        own = sampling.own is not None
        if not own and self.method.startswith("completions"):
            rendering = {key: extra.pop(key) for key in _RENDERING if key in extra}
        # Where messages carry a mark, strict services refuse fields that they do not know, and
        # count tokens unasked.
        bare = self.method == "prefix" and self.engine is UNKNOWN
        engine = replace(self.engine, counts={}) if bare else self.engine

        def common(drawn: Sampling) -> dict[str, Any]:
            _check(drawn)
            return {"model": self.model, **self.engine.sampling(drawn), **extra}

        given = tuple(messages)
        prompt = ChatPrompt(given, "none") if own else self._prompt(given, rendering)
        refusal = None if self.can_resume else explained(self.report)
        if own:
            refusal = "it is the engine's own"
        return HTTPDraft(self._transport, self.name, engine, prompt, common, sampling, refusal)

    async def count(self, text: str) -> int | None:
        """Count the tokens of a text; None if the server does not count, or fails to."""
        if self.engine.count is None:
            return None
        path, given, found = self.engine.count
        body = {"model": self.model, given: text, "add_special_tokens": False}
        try:
            answer = await self._transport.ask(path, body, upstream=self.name)
        except UpstreamError:
            return None
        counted = answer.get(found) if isinstance(answer, dict) else None
        if isinstance(counted, list):
            return len(counted)
        return counted if type(counted) is int and counted >= 0 else None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _prompt(self, messages: Sequence[Message], rendering: Mapping[str, Any]) -> EnginePrompt:
        if self.method == "completions-ids":
            return TokenPrompt(self._transport, self.name, self.model, messages, rendering)
        if self.method == "completions-text":
            return TextPrompt(self._transport, self.name, messages, self._render, rendering)
        return ChatPrompt(messages, self.method)


def explained(report: Sequence[MethodTrial]) -> str:
    """Why no method worked, one after the other."""
    failed = [f"{trial.method}: {trial.detail}" for trial in report if not trial.works]
    return "; ".join(failed) or "no method to continue a message was asked for"


def _check(sampling: Sampling) -> None:
    if not (math.isfinite(sampling.temperature) and sampling.temperature >= 0):
        raise SteeringError(f"temperature is {sampling.temperature}; it has to be 0 or more")
    if not 0 < sampling.top_p <= 1:
        raise SteeringError(f"top_p is {sampling.top_p}; it has to be in (0, 1]")
    if sampling.top_k < 0:
        raise SteeringError(f"top_k is {sampling.top_k}; it has to be 0 (all tokens) or more")
    taken = sorted(OWNED.intersection(sampling.extra))
    if taken:
        raise SteeringError(
            f"extra may not set {', '.join(map(repr, taken))}: steering does, or Sampling or write"
            " has an argument for it"
        )
