"""Other APIs than chat: their requests become chats, and the answers to these become their own.

So there is one path for steering, records, limits and metrics.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from gtalign.gateway.answers.blocks import Blocks
from gtalign.gateway.errors import APIError, Unsteerable
from gtalign.gateway.text import to_json

CHAT: Final = "/v1/chat/completions"

_OWNED: Final = frozenset(
    {
        *("messages", "n", "best_of", "max_completion_tokens", "response_format", "modalities"),
        *("functions", "function_call", "audio", "logprobs", "prediction"),
    }
)
"""Fields of a chat that a request of another API does not have."""


class Untranslatable(Unsteerable):
    """A chat cannot express a request; a signal inside the gateway (see `gtalign.errors`).

    Args:
        param: The field that it cannot express.
        why: Why, and what would help.
    """

    def __init__(self, param: str, why: str) -> None:
        super().__init__(param, f"{param!r}: {why}", param=param)


def others(body: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields that an API does not define, which go to the engine as they are.

    Raises:
        APIError: One of them is a field of chats that this API writes in another way.
    """
    found = {name: value for name, value in body.items() if name not in known}
    taken = min(_OWNED.intersection(found), default=None)
    if taken is not None:
        why = f"{taken!r} is a field of {CHAT}, not of this interface"
        raise APIError(400, why, code="unsupported", param=taken)
    return found


def streaming(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a chat by which an answer comes as a stream, with its usage at the end."""
    if body.get("stream") is None:
        return {}
    options = {"stream_options": {"include_usage": True}} if body["stream"] is True else {}
    return {"stream": body["stream"], **options}


class Translation(ABC):
    """One request of another API, and the answer to it.

    Attributes:
        path: Address of the API.
        limit: The field for the most tokens to write.
        shows_text: Whether an answer shows text of the model.
        names: Names of fields in this API, by their names in a chat.
        id: Id of the answer.
        model: The model's name, as the answer gives it.
        created: When it was asked for, in seconds since 1970.
        body: The request.
        origins: For each message of the chat, the field that it comes from.
        blocks: What was read of the answer so far.

    Args:
        request_id: Id of the request.
    """

    path: ClassVar[str]
    limit: ClassVar[str]
    names: ClassVar[Mapping[str, str]]
    shows_text: ClassVar[bool] = True

    def __init__(self, request_id: str) -> None:
        self.id = self.model = ""
        self.created = int(time.time())
        self.request_id = request_id
        self.body: Mapping[str, Any] = {}
        self.origins: list[str] = []
        self.blocks = Blocks()

    @abstractmethod
    def chat(self) -> dict[str, Any]:
        """Return the request as the body of a chat.

        Raises:
            Untranslatable: A chat cannot express it.
            APIError: It is wrong (400).
        """

    @abstractmethod
    def whole(self) -> Mapping[str, Any]:
        """Return the answer in the form of this API, once all of it was read.

        Raises:
            EndedError: It was broken off, and this API has no form for that.
        """

    @abstractmethod
    def events(self, value: Any) -> Iterator[bytes]:
        """Take a chunk of the answer to the chat and yield the events that it makes.

        Raises:
            ValueError: It is none.
        """

    @abstractmethod
    def ended(self) -> Iterator[bytes]:
        """Yield the events that end the answer.

        Raises:
            ValueError: It is not complete.
            EndedError: It was broken off.
        """

    @abstractmethod
    def broken(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the events that end an answer that failed.

        Args:
            error: The error as a chat tells it.
        """

    @abstractmethod
    def refused(self, status: int, error: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an error in the form of this API.

        Args:
            status: The HTTP status.
            error: The error as a chat tells it.
        """

    @abstractmethod
    def failed(self, error: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the event of an error alone, where the engine itself writes in this form."""

    def headers(self) -> dict[str, str]:
        """Headers of the answer that this API has and others lack."""
        return {}

    def renamed(self, error: APIError) -> APIError:
        """Return an error about a field of the chat as one about a field of the request."""
        if error.param is None:
            return error
        param = self._name(error.param)
        message = error.message.replace(repr(error.param), repr(param))
        return APIError(error.status, message, code=error.code, param=param)

    def _name(self, param: str) -> str:
        field, _, rest = param.partition(".")
        number, _, rest = rest.partition(".")
        if field == "messages" and number.isdecimal() and int(number) < len(self.origins):
            return ".".join(filter(None, (self.origins[int(number)], rest)))
        return self.names.get(param, param)


def event(name: str, value: Mapping[str, Any]) -> bytes:
    """One event with a name and JSON data."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(value))
