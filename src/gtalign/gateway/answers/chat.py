"""A steered answer to a request for a chat completion, whole or as a stream."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from gtalign.errors import UpstreamError
from gtalign.gateway.answers import wire
from gtalign.gateway.answers.answer import Answer
from gtalign.gateway.answers.fields import telling
from gtalign.gateway.answers.request import AnswerRequest
from gtalign.gateway.answers.room import fitted
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.errors import ended_by
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.reply import HTTPReply, send_events
from gtalign.steering import Ask, fan_out


class Chat:
    """Answers one request, under a policy.

    Args:
        gateway: Who answers.
        terms: Terms of the answer: its key, policy and limits.
        request: The request.
        reply: Where the answer goes.
        began: When its time began to run, by `perf_counter`.
    """

    def __init__(
        self, gateway: Gateway, terms: Terms, request: AnswerRequest, reply: HTTPReply, began: float
    ) -> None:
        self._gateway = gateway
        self._terms = terms
        self._request = request
        self._reply = reply
        self._began = began
        sampling = request.sampling
        if not terms.served.behind_servers:
            sampling = replace(sampling, extra=telling(sampling.extra))
        self._ask = Ask(
            messages=request.messages,
            max_tokens=request.max_tokens or gateway.config.limits.unnamed,
            sampling=sampling,
            stop=request.stop,
            used_tokens=gateway.limits.used(terms.key),
            named=request.named,
            schema=request.schema,
            tools=request.tools,
        )

    async def run(self) -> None:
        """Write the answer and send it.

        Raises:
            APIError: The request cannot be steered as it is.
            Unsteerable: It is to be passed through instead; nothing was sent yet.
            UpstreamError: The model server failed.
            SteeringError: The answer cannot be steered.
            StorageError: The decision cannot be recorded, and has to be.
            ClientGone: The client left.
        """
        steering, ask = self._gateway.config.steering, self._ask
        upstream = self._terms.served.route(ask.messages).upstream
        room = await fitted(upstream, ask, steering)
        self._ask = replace(ask, max_tokens=room)
        if not self._request.stream:
            await self._whole()
            return
        keep_alive = self._gateway.config.timeouts.keep_alive
        async with aclosing(self._events()) as events:
            await send_events(self._reply, events, comment=wire.COMMENT, keep_alive=keep_alive)

    def _answer(self, terms: Terms, ask: Ask) -> Answer:
        stream, alone = self._request.stream, self._request.n == 1
        return Answer(
            self._gateway,
            terms,
            ask,
            stream=stream,
            began=self._began,
            passable=lambda: (
                alone and self._terms.served.behind_servers and not self._reply.started
            ),
        )

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """The events of a streamed answer."""
        answer = self._answer(self._terms, self._ask)
        self._say_whether_recorded(answer)
        began, ended = _seconds(), None
        chunks: wire.Chunks | None = None  # once the engine has said something
        try:
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    if chunks is None:
                        chunks = self._chunks(answer, began)
                        yield chunks.role()
                    yield chunks.piece(piece)
        except UpstreamError as error:
            ended = ended_by(error)
            if chunks is None or ended is None:
                raise
        if chunks is None:  # nothing to show: its reasoning took all of its tokens
            chunks = self._chunks(answer, began)
            yield chunks.role()
        finish, stop = (ended, None) if ended else answer.finish
        yield chunks.finish(finish, stop, answer.about())
        if self._request.include_usage:
            yield chunks.usage(answer.usage())
        await self._reply.before_end()  # a client may ask again before the end comes
        yield wire.DONE

    def _chunks(self, answer: Answer, began: int) -> wire.Chunks:
        """The chunks of an answer whose head is about to be sent."""
        self._say_whether_recorded(answer)
        return wire.Chunks(
            self._terms.id,
            began,
            self._terms.model,
            include_usage=self._request.include_usage,
            fingerprint=answer.fingerprint,
        )

    def _say_whether_recorded(self, answer: Answer) -> None:
        self._reply.headers["x-gtalign-recorded"] = wire.said(answer.recorded)

    async def _whole(self) -> None:
        """One answer, or several, each with a matrix and a record of its own."""
        terms, n = self._terms, self._request.n
        asks = enumerate(fan_out(self._ask, n))
        answers = [self._answer(terms.numbered(number), ask) for number, ask in asks]
        messages = await _together(answers) if n > 1 else [await _message(answers[0])]
        abouts = [answer.about() for answer in answers]
        self._reply.headers |= wire.headers(abouts[0])
        body = wire.completion(
            terms.id,
            _seconds(),
            terms.model,
            messages=messages,
            finishes=[answer.finish for answer in answers],
            usages=[answer.usage() for answer in answers],
            abouts=abouts,
            fingerprint=answers[0].fingerprint,
        )
        await self._reply.whole(200, body)


async def _together(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The messages of several answers, written at the same time."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_message(answer)) for answer in answers]
    except ExceptionGroup as failed:  # the first failure has ended the others
        first = failed.exceptions[0]
        raise first from first.__cause__  # which tells the status
    return [task.result() for task in tasks]


async def _message(answer: Answer) -> dict[str, Any]:
    """The message of an answer."""
    async with aclosing(answer.pieces()) as pieces:
        return wire.message([piece async for piece in pieces])


def _seconds() -> int:
    return int(time.time())
