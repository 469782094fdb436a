"""The reply that sends the answer to a chat in the form of another API.

What a chat cannot express is passed on to the engine as it came, or refused where the engine does
not have that API either.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from starlette.types import Send

from gtalign.errors import EndedError, UpstreamError
from gtalign.gateway.answers.request import AnswerRequest, read_model
from gtalign.gateway.answers.terms import Terms
from gtalign.gateway.answers.translation import CHAT, Translation, Untranslatable
from gtalign.gateway.answers.values import whole
from gtalign.gateway.answers.wire import COMMENT
from gtalign.gateway.errors import APIError, as_object
from gtalign.gateway.explanations import reported
from gtalign.gateway.http.client import read_object, write_object
from gtalign.gateway.http.reply import EVENTS, JSON, HTTPReply
from gtalign.gateway.text import to_json
from gtalign.steering.http.sse import Event, EventReader

_LARGEST: Final = 64 << 20  # bytes of an answer, or of one event
_ANY_HEAD: Final = 32 + zlib.MAX_WBITS  # of gzip or of zlib
_ABSENT: Final = (404, 405, 501)  # how engines answer where they have no such address


class TranslatedReply(HTTPReply):
    """Takes the answer to a chat, and sends it in the form of another API.

    Args:
        send: Sends a message to the client.
        translation: Between the two.
        patience: As for `HTTPReply`.
    """

    def __init__(self, send: Send, translation: Translation, *, patience: float) -> None:
        super().__init__(send, translation.headers(), patience=patience)
        self._translation = translation
        self._native: Untranslatable | None = None  # why the engine has to answer in this form
        self._status = 200
        self._held = bytearray()  # an answer in JSON, until all of it is there
        self._reader = EventReader(_LARGEST)
        self._unpacked: Callable[[bytes], bytes] = bytes
        self._over = False  # an error of the engine's has ended the stream
        self._wrong: UpstreamError | None = None  # what it sent that is no answer

    def read(
        self, raw: bytes, read: Callable[[bytes], AnswerRequest], *, trained: bool, longest: int
    ) -> tuple[str, bytes, AnswerRequest]:
        """Read a request.

        Args:
            raw: Its body.
            read: Reads a chat.
            trained: Whether the model was trained on chains, which it would show in an answer that
                comes from the engine as it is.
            longest: Most tokens that a request may ask for.

        Returns:
            Where a request that is passed through goes, its body there, and the request.

        Raises:
            APIError: It is wrong, or cannot be answered (400).
        """
        translation = self._translation
        body = translation.body = read_object(raw)
        try:
            chat = write_object(translation.chat())
        except Untranslatable as error:
            if trained and translation.shows_text:
                raise
            self._native = error
            return translation.path, raw, _passed(body, error, translation.limit, longest)
        try:
            request = read(chat)
        except APIError as error:
            raise translation.renamed(error) from None
        if request.refusal is not None:
            request = replace(request, refusal=translation.renamed(request.refusal))
        return CHAT, chat, request

    def settle(self, terms: Terms) -> None:
        """Take the names of the answer, once its terms are known."""
        self._translation.id, self._translation.model = terms.id, terms.model

    async def start(self, status: int, kind: str) -> None:
        """Send the head; that of an answer in JSON waits until all of it is there."""
        self._status = status
        if self._native is None and "content-encoding" in self.headers:
            del self.headers["content-encoding"]
            self._unpacked = zlib.decompressobj(_ANY_HEAD).decompress
        if self._native is not None or kind == EVENTS:
            await super().start(status, kind)

    async def write(self, body: bytes) -> None:
        """Send more of the answer.

        Raises:
            UpstreamError: It is not what a chat is answered with.
        """
        if not self.started:
            if self._status != 200:
                await self._refuse(self._status, body)
                return
            self._held += self._unpack(body)
            if len(self._held) > _LARGEST:
                raise self._strange(f"more than {_LARGEST} bytes")
        elif self._native is not None or self.kind != EVENTS:
            await super().write(body)
        else:
            events = b"".join(self._events(self._reader.feed(self._unpack(body))))
            if events or body.startswith(b":"):
                await super().write(events or COMMENT)

    async def end(self, body: bytes = b"") -> None:
        """Send the rest of the answer.

        Raises:
            UpstreamError: The answer is not what a chat is answered with, or not complete.
        """
        if not self.started:
            await self._deliver(self._whole(bytes(self._held) + self._unpack(body)))
        elif self.kind != EVENTS:
            await super().end(body)
        elif body:  # the error that breaks off what was sent so far
            broken = self._translation.broken if self._native is None else self._translation.failed
            errors = [error for error in map(_error, EventReader().feed(body)) if error]
            await super().end(b"".join(event for error in errors for event in broken(error)))
        else:
            await super().end(b"" if self._native is not None else b"".join(self._ended()))

    async def whole(self, status: int, body: bytes, kind: str = JSON) -> None:
        """Send everything at once.

        Raises:
            UpstreamError: It is not what a chat is answered with, or was broken off.
        """
        if status == 200:
            await self._deliver(self._whole(body))
        else:
            await self._refuse(status, body)
            await super().end()

    def _unpack(self, body: bytes) -> bytes:
        try:
            return self._unpacked(body)
        except zlib.error as error:
            raise self._strange(str(error)) from None

    async def _deliver(self, body: bytes) -> None:
        self.headers["content-length"] = str(len(body))
        await super().start(200, JSON)
        await super().end(body)

    async def _refuse(self, status: int, body: bytes) -> None:
        """Send an error, but for the end of its body: more of the request may have to be read."""
        native, told = self._native, orjson.loads(body)["error"]
        if native is not None and status in _ABSENT:
            status, told = native.status, orjson.loads(native.body())["error"]
        body = to_json(self._translation.refused(status, told))
        self.headers["content-length"] = str(len(body))
        await super().start(status, JSON)
        await super().write(body)

    def _whole(self, body: bytes) -> bytes:
        translation = self._translation
        try:
            for _ in translation.blocks.take(orjson.loads(body)):
                pass
            return to_json(translation.whole())
        except ValueError as error:
            raise self._strange(str(error)) from None

    def _events(self, chunks: Iterator[Event]) -> Iterator[bytes]:
        """The events that more of the chat's stream makes."""
        translation = self._translation
        if self._wrong is not None:
            raise self._wrong
        try:
            for chunk in chunks:
                if self._over or chunk.data.strip() == b"[DONE]":
                    continue
                error = _error(chunk)
                if error is not None:
                    self._over = True
                    yield from translation.broken(error)
                else:
                    yield from translation.events(orjson.loads(chunk.data))
        except ValueError as error:
            raise self._strange(str(error)) from None

    def _ended(self) -> Iterator[bytes]:
        yield from self._events(self._reader.close())  # one that is cut off may report an error
        if self._over:
            return
        try:
            yield from self._translation.ended()
        except EndedError as error:
            yield from self._translation.broken(as_object(error))
        except ValueError as error:
            raise self._strange(str(error)) from None

    def _strange(self, why: str) -> UpstreamError:
        said = f"answered a chat with what is no answer to one: {why}"
        self._wrong = UpstreamError("the engine", said)
        return self._wrong


def _error(chunk: Event) -> Mapping[str, Any] | None:
    """The error that an event of a chat reports; None if it reports none."""
    if chunk.name == "error":
        return reported(chunk.data)
    if b'"error"' not in chunk.data:
        return None
    value = orjson.loads(chunk.data)
    error = value.get("error") if isinstance(value, dict) else None
    return None if not error else error if isinstance(error, dict) else {"message": str(error)}


def _passed(
    body: Mapping[str, Any], why: Untranslatable, limit: str, longest: int
) -> AnswerRequest:
    """Return a request that the engine reads for itself, if it asks for no more than it may."""
    whole(body, limit, 0, longest)
    return AnswerRequest.passing(body, read_model(body), why.why, why)
