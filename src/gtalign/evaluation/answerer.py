"""The model that answers the questions of an evaluation: in this process, or on a server."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gtalign.chain import with_reasoning
from gtalign.endpoints import Cache, Endpoint, open_endpoint
from gtalign.endpoints.reply import CUT_OFF, REFUSED
from gtalign.errors import TeacherError
from gtalign.evaluation.settings import EvalRun
from gtalign.models.pretrained import load_tokenizer
from gtalign.models.tokens import token_counter
from gtalign.tasks import Message


class Answerer(Protocol):
    """The model that answers the questions, here or on a server."""

    width: int
    """Number of questions in a batch."""

    async def answer(
        self, prompts: Sequence[Sequence[Message]], ids: Sequence[str], sample: int = 0
    ) -> list[str]:
        """Return a completion of each prompt.

        Args:
            prompts: The messages of each.
            ids: The ids of their questions.
            sample: Number of the sample: further samples of a prompt are drawn anew.

        Raises:
            TeacherError: The model failed; the message names the question.
        """
        ...


class Local:
    """A model in this process.

    Args:
        write: Takes prompts and the ids of their questions; returns completions.
        width: Number of prompts in a batch.
    """

    def __init__(
        self, write: Callable[[Sequence[Any], Sequence[str]], list[str]], width: int
    ) -> None:
        self.write = write
        self.width = width

    async def answer(
        self, prompts: Sequence[Sequence[Message]], ids: Sequence[str], sample: int = 0
    ) -> list[str]:
        """Return a completion of each prompt."""
        return self.write(prompts, [f"{name} #{sample}" for name in ids] if sample else ids)


class Served:
    """A model behind an endpoint.

    An answer that its limit cuts off counts as it is; one that is cut off before its first word was
    still reasoning. A refusal is an answer. Reasoning that the server gives apart from the answer
    stands in front of it.
    """

    width = 1

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def answer(
        self, prompts: Sequence[Sequence[Message]], ids: Sequence[str], sample: int = 0
    ) -> list[str]:
        """Return a completion of each prompt."""
        return [await self._text(p, name, sample) for p, name in zip(prompts, ids, strict=True)]

    async def _text(self, prompt: Sequence[Message], name: str, sample: int) -> str:
        about = f"model {self.endpoint.settings.model!r}, {name}"
        reply = await self.endpoint.complete(
            prompt, prompt, accepts=bool, about=about, sample=sample
        )
        if reply.problem not in (None, CUT_OFF, REFUSED):  # nothing that could be worth 0
            self.endpoint.forget(prompt, {}, sample)
            raise TeacherError(f"{about}: the reply is no answer: {reply.problem}", "no answer")
        if reply.problem == CUT_OFF and not reply.text:
            return f"<think>\n{reply.reasoning}"  # even where the server keeps its reasoning back
        return with_reasoning(reply.reasoning, reply.text)


@dataclass(frozen=True, slots=True)
class Opened:
    """An answerer that is ready.

    Args:
        answerer: The model that answers.
        workers: Number of batches under way at once.
        count_tokens: Length of a text in the model's tokens; None where that is unknown.
        endpoint: The endpoint to close at the end, if a server answers.
        facts: How a model in this process is asked.
    """

    answerer: Answerer
    workers: int
    count_tokens: Callable[[str], int] | None
    endpoint: Endpoint | None = None
    facts: Mapping[str, Any] | None = None


def open_answerer(config: EvalRun, cache: Cache) -> Opened:
    """Load the model of a configuration, or connect to its server; the cache keeps its replies.

    A model is loaded as everywhere (`gtalign.models.model.open_model`), and a server is asked as
    judges and teachers are (`gtalign.endpoints.Endpoint`), not token by token as in steering.

    Raises:
        ConfigError: There is no such model or tokenizer.
    """
    if config.server is not None:
        endpoint = open_endpoint(config.server, cache, TeacherError, "model")
        counter = None
        if config.tokenizer is not None:
            counter = token_counter(load_tokenizer(config.tokenizer))
        return Opened(Served(endpoint), config.server.concurrency, counter, endpoint)

    from gtalign.models.model import open_model

    assert config.model is not None  # else a server answers
    dtype = "bfloat16" if config.gpu else "float32"
    model = open_model(config.model, dtype=dtype, gpu=config.gpu)
    counted = model.chat.tokenizer
    if config.tokenizer is not None:
        counted = load_tokenizer(config.tokenizer)

    def write(prompts: Sequence[Any], ids: Sequence[str]) -> list[str]:
        # From the questions, not the batch's number: a resumed run draws the same.
        seed = zlib.crc32(f"{config.seed} {ids[0]}".encode("utf-8", "surrogatepass"))
        return model.generate(
            prompts,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            seed=seed,
        )

    facts = model.facts()
    return Opened(Local(write, config.batch), 1, token_counter(counted), facts=facts)
