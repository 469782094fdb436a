"""Messages continued in ``/v1/chat/completions``, where a server offers it.

The server renders the message, so the model's chat template may drop whitespace at its end: let a
rewritten message end in something else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from gtalign.errors import SteeringError
from gtalign.steering.http.pieces import EnginePiece, read_chat
from gtalign.tasks import Message

Form = Literal["continue-final", "prefill", "prefix", "none"]
"""What makes a server continue a message: flags (vLLM, SGLang, llama.cpp), the role alone of a last
message that is the assistant's (older llama.cpp, Groq), a mark in it (DeepSeek, Mistral), nothing.
"""

_FLAGS: Final[Mapping[str, Any]] = {"continue_final_message": True, "add_generation_prompt": False}


class ChatPrompt:
    """The conversation as messages, with the message so far as the last one.

    Args:
        messages: The conversation.
        form: What makes the server continue.
    """

    path = "/v1/chat/completions"

    def __init__(self, messages: Sequence[Message], form: Form) -> None:
        self._messages = list(messages)
        self._form = form

    async def fields(self, text: str) -> dict[str, Any]:
        """The fields that make the engine continue after `text`.

        Raises:
            SteeringError: There is a text, and the server cannot continue it.
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
            ValueError: It has another shape, or does not continue the message.
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
