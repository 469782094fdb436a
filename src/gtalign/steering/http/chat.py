"""Messages that continue in ``/v1/chat/completions``, on servers that offer it.

The server renders the message, so that whitespace at its end may be lost in the model's chat
template: let a rewritten message end in something else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from gtalign.errors import SteeringError
from gtalign.steering.http.pieces import EnginePiece, read_chat
from gtalign.tasks import Message

Form = Literal["continue-final", "prefill", "prefix", "none"]
"""How a request asks a server to continue: by flags (vLLM, SGLang, llama.cpp), by a last
message of the assistant alone (older llama.cpp, Groq), by a mark in it (DeepSeek, Mistral), or
not at all.
"""

_FLAGS: Final[Mapping[str, Any]] = {"continue_final_message": True, "add_generation_prompt": False}


class ChatPrompt:
    """The conversation as messages, with the message as it stands as the last one.

    Args:
        messages: The conversation.
        form: How a request asks the server to continue.
    """

    path = "/v1/chat/completions"

    def __init__(self, messages: Sequence[Message], form: Form) -> None:
        self._messages = list(messages)
        self._form = form

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine continue behind `text`.

        Raises:
            SteeringError: There is a text, and the server cannot.
        """
        if not text:
            return {"messages": self._messages}
        if self._form == "none":
            raise SteeringError("this upstream cannot continue a message that has begun")
        begun: dict[str, Any] = {"role": "assistant", "content": text}
        if self._form == "prefix":
            begun["prefix"] = True
        flags = _FLAGS if self._form == "continue-final" else {}
        return {"messages": [*self._messages, begun], **flags}

    def read(self, value: Any) -> EnginePiece:
        """Read an event.

        Raises:
            ValueError: It has another shape, or it is none of the message that continues.
        """
        piece = read_chat(value)
        if piece.beside and self._form != "none":
            raise ValueError(
                "reasoning beside the message; turn it off, for instance with extra"
                " {'chat_template_kwargs': {'enable_thinking': False}}"
            )
        return piece

    def grew(self, piece: EnginePiece) -> None:
        """Take note of what the engine wrote: nothing beyond its text is needed."""
