"""A transformers model in this process as a backend: no position of a message is computed twice.

A draft keeps the key-value cache of everything that the network has seen. Rewriting its message
crops the cache to the tokens before the first changed character, and the next write computes what
comes after it.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import torch
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from gtalign.errors import SteeringError, TrainingError, UpstreamError
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.steering.backend import Finish, Sampling, WriteReport
from gtalign.steering.spelling import Spelling
from gtalign.tasks import Message

__all__ = ["TransformersBackend"]


class TransformersBackend:
    """A causal language model in this process.

    Drafts may be written at the same time; the model serves them one after the other.

    Args:
        model: The model, on its device; its tokenizer has to be a fast one.
        name: Its name in records.

    Attributes:
        positions: Positions that the network has computed, over all drafts.

    Raises:
        SteeringError: The tokenizer is not a fast one.
    """

    can_resume = True
    grammar: Literal["gbnf", "ebnf"] | None = None

    def __init__(self, model: LocalModel, name: str = "transformers") -> None:
        if not model.chat.tokenizer.is_fast:
            raise SteeringError(f"{name}: steering needs a fast tokenizer")
        self.model = model.network.eval()
        self.chat = model.chat
        self.tokenizer = model.chat.tokenizer
        self.ends = model.ends
        self.name = name
        self.positions = 0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gtalign-model")
        # transformers 5.24 renamed it, and warns of the old name.
        named = inspect.signature(self.model.forward).parameters
        self._cache_name = "cache" if "cache" in named else "past_key_values"

    def open(self, messages: Sequence[Message], sampling: Sampling) -> "LocalDraft":
        """Begin the next assistant message.

        Raises:
            SteeringError: ``sampling.extra`` holds parameters, which only HTTP engines take, or the
                chat template refuses the conversation.
        """
        return LocalDraft(self, prompt_of(self.chat, self.name, messages, sampling), sampling)

    async def aclose(self) -> None:
        """End the thread of the model."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def forward(self, ids: Sequence[int], cache: DynamicCache) -> torch.Tensor:
        """Logits ``[vocabulary]`` after the last of some tokens; the cache grows by all of them.

        Raises:
            UpstreamError: The network cannot be computed, for example for lack of memory.
        """
        self.positions += len(ids)
        inputs = torch.tensor([list(ids)], device=self.model.device)
        given = {self._cache_name: cache}
        try:
            output = self.model(input_ids=inputs, use_cache=True, logits_to_keep=1, **given)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UpstreamError(self.name, f"broke off: {reason}") from error
        logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def run(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        """Do work in the thread of the model."""
        return asyncio.get_running_loop().run_in_executor(self._worker, work)


class LocalDraft:
    """A message that a model in process is writing; see `gtalign.steering.backend.Draft`."""

    def __init__(self, backend: TransformersBackend, prompt: list[int], sampling: Sampling) -> None:
        self.report: WriteReport | None = None
        self._backend = backend
        self._prompt = prompt
        self._spelling = Spelling(backend.tokenizer, backend.name)
        self._cache = DynamicCache(config=backend.model.config)
        self._draws = Draws(sampling, backend.model.device)

    @property
    def text(self) -> str:
        """The message so far."""
        return self._spelling.text

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue the message; see `gtalign.steering.backend.Draft`."""
        if grammar is not None:
            raise SteeringError(f"{self._backend.name} cannot be held to a grammar")
        draws = self._draws
        if sampling is not None:
            draws = Draws(sampling, self._backend.model.device)
        loop = asyncio.get_running_loop()
        slices: asyncio.Queue[str | None] = asyncio.Queue()
        closed = threading.Event()

        def put(slice_: str | None) -> None:
            loop.call_soon_threadsafe(slices.put_nowait, slice_)

        def work() -> None:
            try:
                with torch.inference_mode():
                    self._write(max_tokens, stop, draws, put, closed)
            finally:
                put(None)

        running = self._backend.run(work)
        try:
            while (slice_ := await slices.get()) is not None:
                yield slice_
            await running
        finally:
            closed.set()
            if not running.done():
                await asyncio.wait([running])

    def rewrite(self, text: str) -> None:
        """Replace the message; tokens before its first changed character are kept as they are."""
        self._crop(len(self._prompt) + self._spelling.replace(text))

    def _crop(self, length: int) -> None:
        """Crop the cache to so many tokens."""
        surplus = self._cache.get_seq_length() - length
        if surplus <= 0:
            return
        if getattr(self._cache, "is_croppable", True):
            self._cache.crop(-surplus)
        else:  # a sliding window has let go of what a shorter text needs
            self._forget()

    def _forget(self) -> None:
        self._cache = DynamicCache(config=self._backend.model.config)

    def _write(
        self,
        max_tokens: int,
        stop: str | None,
        draws: "Draws",
        put: Callable[[str | None], None],
        closed: threading.Event,
    ) -> None:
        """The loop over tokens, in the thread of the model."""
        backend, spelling = self._backend, self._spelling
        room = context_of(backend.model) - len(self._prompt) - len(spelling.ids)
        if room < 1:
            raise SteeringError(f"{backend.name}: the conversation fills its whole context")
        start = len(self.text)
        before = len(self._prompt) + len(spelling.ids)
        self._crop(before - 1)  # at least one token has to be computed again
        cached = self._cache.get_seq_length()
        pending = [*self._prompt, *spelling.ids][cached:]
        finish: Finish = "broken"
        written = 0
        try:
            while written < min(max_tokens, room):
                if closed.is_set():
                    finish = "closed"
                    break
                token = draws.draw(backend.forward(pending, self._cache))
                written += 1
                if token in backend.ends:
                    finish = "end"
                    break
                pending = [token]
                said = len(self.text)
                spelled = spelling.add(token)
                if not spelled:
                    continue
                if stop is not None:
                    found = self.text.find(stop, max(start, said - len(stop) + 1))
                    if found >= 0:
                        self.rewrite(self.text[: found + len(stop)])
                        finish = "stop"
                        put(self.text[said:])
                        break
                put(spelled)
            else:
                finish = "length"
        except UpstreamError:
            self._forget()  # some layers may have seen more than others
            raise
        finally:  # what was written before it took its time all the same
            self.report = WriteReport(finish, written, prompt_tokens=before, cached_tokens=cached)


class Draws:
    """Draws tokens with a generator of its own, so drafts do not change each other's draws."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._generator = torch.Generator(device=device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)
        self._greedy = sampling.temperature == 0
        self._warp = LogitsProcessorList()
        if not self._greedy and sampling.temperature != 1:
            self._warp.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            self._warp.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warp.append(TopPLogitsWarper(sampling.top_p))

    def draw(self, logits: torch.Tensor) -> int:
        """Draw a token from logits ``[vocabulary]``."""
        if self._greedy:
            return int(logits.argmax())
        scores: Any = self._warp(None, logits[None])
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=self._generator))


def prompt_of(chat: Chat, name: str, messages: Sequence[Message], sampling: Sampling) -> list[int]:
    """Return the tokens of a conversation that a model in process continues.

    Raises:
        SteeringError: ``sampling.extra`` holds parameters, which only HTTP engines take, or the
            chat template refuses the conversation.
    """
    if sampling.extra:
        raise SteeringError(f"{name} does not know {', '.join(sorted(sampling.extra))}")
    try:
        return chat.ids(messages)
    except TrainingError as error:
        raise SteeringError(str(error)) from error


def context_of(network: PreTrainedModel) -> int:
    """Longest text that a network reads, in tokens."""
    return int(network.config.get_text_config().max_position_embeddings)
