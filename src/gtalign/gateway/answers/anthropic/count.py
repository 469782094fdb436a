"""How many tokens a request for a message would read, if the engine says so."""

from typing import Any, ClassVar

from gtalign.gateway.answers.anthropic.translation import MessagesTranslation
from gtalign.gateway.answers.translation import Untranslatable


class CountTranslation(MessagesTranslation):
    """One request for a count, which the engine alone can answer."""

    path: ClassVar[str] = "/v1/messages/count_tokens"
    shows_text: ClassVar[bool] = False

    def chat(self) -> dict[str, Any]:
        """Raise that a chat counts nothing."""
        why = "the engine has no address at which it counts the tokens of messages"
        raise Untranslatable("count_tokens", why)
