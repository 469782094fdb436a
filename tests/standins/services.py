"""Services that one rents: a mark in the last message, or no way to continue at all."""

from collections.abc import Iterator
from typing import Any

from standins import tokens
from standins.engines import chat_chunk, messages_prompt, usage
from standins.server import RefusedError, StandIn, generation, rendered


class Service(StandIn):
    """Chat only. Its answers begin anew, whatever the last message holds."""

    def routes(self) -> dict[str, Any]:
        return {**super().routes(), "POST /v1/chat/completions": self.chat}

    def prompt(self, body: dict[str, Any]) -> str:
        turns = [m for m in body["messages"] if m["role"] != "assistant"]
        return rendered(turns)

    async def chat(self, body: dict[str, Any]) -> Iterator[Any]:
        prompt = self.prompt(body)
        steps = generation(prompt, body["max_tokens"])
        return self._events(steps, prompt, self.preamble(body))

    def preamble(self, body: dict[str, Any]) -> str:
        """Text before the answer."""
        return ""

    def _events(self, steps: Iterator[Any], prompt: str, preamble: str) -> Iterator[Any]:
        yield b": keep-alive\n\n"
        yield chat_chunk({"role": "assistant", "content": preamble}, None) | {"usage": None}
        for written, step in enumerate(steps, 1):
            last = None
            if step.finish:
                last = usage(len(tokens.encode(prompt)), written)
                last["prompt_cache_hit_tokens"] = 64
            yield chat_chunk({"content": step.text}, step.finish) | {"usage": last}
        yield "[DONE]"


class DeepSeek(Service):
    """Goes on where the last message is marked; needs a key, refuses fields it does not know."""

    key = "sk-toy"
    known = frozenset(
        {"model", "messages", "stream", "max_tokens", "temperature", "top_p", "stop", "seed"}
    )

    def prompt(self, body: dict[str, Any]) -> str:
        unknown = sorted(set(body) - self.known)
        if unknown:
            raise RefusedError(422, f"Extra inputs are not permitted: {', '.join(unknown)}")
        last = body["messages"][-1]
        if last["role"] == "assistant" and not last.get("prefix"):
            raise RefusedError(400, "The last message must be of role user, or have prefix.")
        return messages_prompt(body, goes_on=True)


class Restating(Service):
    """Repeats what it was given before it continues, as if that were new."""

    def prompt(self, body: dict[str, Any]) -> str:
        return messages_prompt(body, goes_on=True)

    def preamble(self, body: dict[str, Any]) -> str:
        last = body["messages"][-1]
        return str(last["content"]) if last["role"] == "assistant" else ""
