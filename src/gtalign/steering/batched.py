"""A transformers model in this process that continues many messages at once, as a backend.

Writes that are under way together are computed as one batch, so a draft yields what it writes in
one slice, at its end. Every draft draws its tokens with a generator of its own: what it writes does
not depend on the others, except for the rounding of the network's numbers.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from gtalign.errors import GTAlignError, SteeringError, UpstreamError
from gtalign.models.model import LocalModel
from gtalign.steering.backend import Finish, Sampling, WriteReport
from gtalign.steering.local import Draws, context_of, prompt_of
from gtalign.steering.spelling import Spelling
from gtalign.steering.together import Together
from gtalign.tasks import Message

__all__ = ["BatchedBackend"]


class BatchedBackend(Together):
    """A causal language model in this process that continues many messages at once.

    `together` says which calls share batches; the writes of any other call are computed alone.

    Args:
        model: The model, on its device; its tokenizer has to be a fast one.
        name: Its name in records.
        width: Most messages in a batch.

    Raises:
        SteeringError: The tokenizer is not a fast one.
    """

    can_resume = True
    grammar: Literal["gbnf", "ebnf"] | None = None

    def __init__(self, model: LocalModel, name: str = "transformers", width: int = 64) -> None:
        if not model.chat.tokenizer.is_fast:
            raise SteeringError(f"{name}: steering needs a fast tokenizer")
        self.model = model
        self.name = name
        self.width = width
        self._network = model.network.eval()
        self._waiting: list[_Write] = []
        self._running: set[asyncio.Task[None]] = set()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gtalign-model")

    def open(self, messages: Sequence[Message], sampling: Sampling) -> "BatchedDraft":
        """Begin the next assistant message.

        Raises:
            SteeringError: ``sampling.extra`` holds parameters, which only HTTP engines take, or the
                chat template refuses the conversation.
        """
        prompt = prompt_of(self.model.chat, self.name, messages, sampling)
        return BatchedDraft(self, prompt, sampling)

    async def aclose(self) -> None:
        """End the thread of the model."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def submit(self, write: "_Write") -> None:
        """Take a write into the next batch."""
        self._waiting.append(write)
        self._begin()

    def _begin(self) -> None:
        """Compute the writes that wait, once every call waits for one."""
        if not self._waiting or len(self._waiting) < self._members:
            return
        waiting, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._compute(waiting))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _compute(self, writes: list["_Write"]) -> None:
        """Compute writes, those of like length together: a batch is as wide as its longest row."""
        writes.sort(key=lambda write: len(write.ids))  # stable: equal lengths keep their order
        loop = asyncio.get_running_loop()
        for start in range(0, len(writes), self.width):
            batch = writes[start : start + self.width]
            try:
                await loop.run_in_executor(self._worker, self._generate, batch)
            except Exception as error:  # whoever waits for the batch gets it
                for write in batch:
                    write.fail(self._named(error))
            else:
                for write in batch:
                    write.done()

    def _named(self, error: Exception) -> Exception:
        """An error of a batch: one of the network, such as a lack of memory, names the model."""
        if not isinstance(error, RuntimeError) or isinstance(error, GTAlignError):
            return error
        reason = str(error).partition("\n")[0] or type(error).__name__
        return UpstreamError(self.name, f"broke off: {reason}")

    def _generate(self, batch: list["_Write"]) -> None:
        """Continue the messages of a batch, in the thread of the model."""
        ids, mask = self.model.padded([write.ids for write in batch])
        settings = GenerationConfig(max_new_tokens=max(w.room for w in batch), do_sample=False)
        with torch.inference_mode():
            self._network.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=settings,
                logits_processor=[_Drawn(batch)],
                stopping_criteria=[_Ended(batch, frozenset(self.model.ends))],
            )


class BatchedDraft:
    """A message that a model in process writes; see `gtalign.steering.backend.Draft`."""

    def __init__(self, backend: BatchedBackend, prompt: list[int], sampling: Sampling) -> None:
        self.report: WriteReport | None = None
        self._backend = backend
        self._prompt = prompt
        self._spelling = Spelling(backend.model.chat.tokenizer, backend.name)
        self._sampling = sampling
        self._draws = Draws(sampling, backend.model.network.device)

    @property
    def text(self) -> str:
        """The message so far."""
        return self._spelling.text

    def rewrite(self, text: str) -> None:
        """Replace the message; tokens before its first changed character are kept as they are."""
        self._spelling.replace(text)

    async def write(
        self,
        *,
        max_tokens: int,
        stop: str | None = None,
        grammar: str | None = None,
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue the message; see `gtalign.steering.backend.Draft`."""
        backend, spelling = self._backend, self._spelling
        if grammar is not None:
            raise SteeringError(f"{backend.name} cannot be held to a grammar")
        ids = [*self._prompt, *spelling.ids]
        room = context_of(backend.model.network) - len(ids)
        if room < 1:
            raise SteeringError(f"{backend.name}: the conversation fills its whole context")
        device = backend.model.network.device
        draws = self._draws if sampling is None else Draws(sampling, device)
        greedy = (self._sampling if sampling is None else sampling).temperature == 0
        start = len(spelling.text)
        write = _Write(ids, spelling, min(max_tokens, room), stop, None if greedy else draws, start)
        with self._reported(write):
            backend.submit(write)
            await write.ended
        if len(spelling.text) > start:
            yield spelling.text[start:]

    @contextmanager
    def _reported(self, write: "_Write") -> Iterator[None]:
        try:
            yield
        finally:
            self.report = WriteReport(
                write.finish, write.written, prompt_tokens=len(write.ids), cached_tokens=0
            )


@dataclass(eq=False)
class _Write:
    """One write: a row of a batch.

    Args:
        ids: The tokens before it, prompt included.
        spelling: The message, which grows.
        room: Most tokens.
        stop: The text that ends it; None for the end of the turn alone.
        draws: Draws its tokens; None takes the likeliest.
        start: Where the new text begins.
    """

    ids: list[int]
    spelling: Spelling
    room: int
    stop: str | None
    draws: Draws | None
    start: int
    finish: Finish = "broken"
    written: int = 0
    over: bool = False
    ended: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def take(self, token: int, ends: frozenset[int]) -> None:
        """Take the next token."""
        self.written += 1
        if token in ends:
            self._end("end")
            return
        said = len(self.spelling.text)
        if self.spelling.add(token) and self.stop is not None:
            text, stop = self.spelling.text, self.stop
            found = text.find(stop, max(self.start, said - len(stop) + 1))
            if found >= 0:
                self.spelling.replace(text[: found + len(stop)])
                self._end("stop")
                return
        if self.written >= self.room:
            self._end("length")

    def _end(self, finish: Finish) -> None:
        self.finish, self.over = finish, True

    def done(self) -> None:
        """Tell the draft that it is written."""
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: Exception) -> None:
        """Tell the draft that it could not be written to its end."""
        if not self.ended.done():
            self.ended.set_exception(error)


class _Drawn(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row that is sampled only the token that its own generator draws."""

    def __init__(self, batch: Sequence[_Write]) -> None:
        self._sampled = [(n, w, w.draws) for n, w in enumerate(batch) if w.draws is not None]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for row, write, draws in self._sampled:
            if not write.over:
                token = draws.draw(scores[row])
                scores[row] = -torch.inf
                scores[row, token] = 0.0
        return scores


class _Ended(StoppingCriteria):  # type: ignore[misc]
    """Hands each row its new token, and tells which rows have ended."""

    def __init__(self, batch: Sequence[_Write], ends: frozenset[int]) -> None:
        self._batch = batch
        self._ends = ends

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        tokens = input_ids[:, -1].tolist()
        for write, token in zip(self._batch, tokens, strict=True):
            if not write.over:
                write.take(token, self._ends)
        return torch.tensor([write.over for write in self._batch], device=input_ids.device)
