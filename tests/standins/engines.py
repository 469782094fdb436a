"""Engines that one runs oneself: vLLM, SGLang, llama.cpp's server and llama-cpp-python's."""

from collections.abc import Iterator
from typing import Any

from standins import tokens
from standins.server import RefusedError, StandIn, Step, generation, rendered


def messages_prompt(body: dict[str, Any], *, goes_on: bool) -> str:
    """The prompt of a chat request, its last message left open if it is to continue."""
    messages = body["messages"]
    if not goes_on or messages[-1]["role"] != "assistant":
        return rendered(messages)
    return rendered(messages[:-1]) + str(messages[-1]["content"])


def completion_chunk(text: str, finish: str | None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish, **more}
    return {"id": "c", "object": "text_completion", "model": "toy", "choices": [choice]}


def chat_chunk(delta: dict[str, Any], finish: str | None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c", "object": "chat.completion.chunk", "model": "toy", "choices": [choice]}


class VLLM(StandIn):
    """vLLM: tokens in and out, flags of continuation, ``stop_reason``, usage on demand.

    ``ids`` False is an older one, which knows no ``return_token_ids``.
    """

    owner = "vllm"

    def __init__(self, *, ids: bool = True, tokenizer: bool = True) -> None:
        super().__init__()
        self.ids = ids
        self.tokenizer = tokenizer

    def routes(self) -> dict[str, Any]:
        routes = {
            **super().routes(),
            "GET /version": self.version,
            "POST /v1/completions": self.completions,
            "POST /v1/chat/completions": self.chat,
        }
        if self.tokenizer:
            routes |= {"POST /tokenize": self.tokenize, "POST /detokenize": self.detokenize}
        return routes

    async def version(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"version": "0.13.0"}

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        if "messages" in body:
            self._check_flags(body)
            ids = tokens.encode(
                messages_prompt(body, goes_on=bool(body.get("continue_final_message")))
            )
        else:
            ids = tokens.encode(body["prompt"])
            if body.get("add_special_tokens", True):
                ids.insert(0, tokens.END)
        return {"tokens": ids, "count": len(ids), "max_model_len": 4096}

    async def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": tokens.decode(body["tokens"])}

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        prompt = body["prompt"]
        ids = prompt if isinstance(prompt, list) else tokens.encode(prompt)
        return self._stream(body, tokens.decode(ids), len(ids), chat=False)

    async def chat(self, body: dict[str, Any]) -> Iterator[Any]:
        self._check_flags(body)
        prompt = messages_prompt(body, goes_on=bool(body.get("continue_final_message")))
        return self._stream(body, prompt, len(tokens.encode(prompt)), chat=True)

    def _check_flags(self, body: dict[str, Any]) -> None:
        if body.get("continue_final_message") and body.get("add_generation_prompt", True):
            raise RefusedError(
                400, "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
            )

    def _stream(
        self, body: dict[str, Any], prompt: str, count: int, *, chat: bool
    ) -> Iterator[Any]:
        if not body.get("stream") and body.get("stream_options"):
            raise RefusedError(400, "Stream options can only be defined when `stream=True`.")
        held = body.get("structured_outputs")
        if held is not None and list(held) != ["grammar"]:
            raise RefusedError(400, "one kind of structured output at a time")
        steps = generation(prompt, body.get("max_tokens"))
        return self._events(body, steps, count, chat=chat)

    def _events(
        self, body: dict[str, Any], steps: Iterator[Step], count: int, *, chat: bool
    ) -> Iterator[Any]:
        if chat:
            yield chat_chunk({"role": "assistant", "content": ""}, None)
        options = body.get("stream_options") or {}
        written = 0
        for step in steps:
            written += 1
            running = (
                {"usage": usage(count, written)} if options.get("continuous_usage_stats") else {}
            )
            more: dict[str, Any] = {"stop_reason": None}
            if chat:
                yield chat_chunk({"content": step.text}, step.finish, **more) | running
                continue
            if self.ids and body.get("return_token_ids"):
                more["token_ids"] = [step.token]
            yield completion_chunk(step.text, step.finish, **more) | running
        if options.get("include_usage"):
            yield {"choices": [], "usage": usage(count, written, cached=count // 16 * 16)}
        yield "[DONE]"


def usage(prompt: int, written: int, cached: int | None = None) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    }
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    return counts


class SGLang(StandIn):
    """SGLang: flags of continuation in chat only, ``matched_stop``, usage on demand."""

    owner = "sglang"

    def routes(self) -> dict[str, Any]:
        return {
            **super().routes(),
            "GET /get_server_info": self.info,
            "POST /tokenize": self.tokenize,
            "POST /v1/chat/completions": self.chat,
        }

    async def info(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"version": "0.5.5", "model_path": "toy", "internal_states": [{}]}

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        if "prompt" not in body:
            raise RefusedError(400, "prompt: Field required")
        return {"tokens": tokens.encode(body["prompt"]), "count": 1, "max_model_len": 4096}

    def failure(self, error: RefusedError) -> dict[str, Any]:
        return {"object": "error", "message": str(error), "type": "Bad", "code": error.status}

    async def chat(self, body: dict[str, Any]) -> Iterator[Any]:
        if body.get("top_k", -1) < 1 and body.get("top_k", -1) != -1:
            raise RefusedError(
                400, f"top_k must be -1 (disable), or at least 1, got {body['top_k']}."
            )
        prompt = messages_prompt(body, goes_on=bool(body.get("continue_final_message")))
        steps = generation(prompt, body["max_tokens"])
        return self._events(body, steps, len(tokens.encode(prompt)))

    def _events(self, body: dict[str, Any], steps: Iterator[Step], count: int) -> Iterator[Any]:
        yield chat_chunk({"role": "assistant", "content": ""}, None, matched_stop=None)
        written = 0
        options = body.get("stream_options") or {}
        for step in steps:
            written += 1
            chunk = chat_chunk({"role": None, "content": step.text}, None, matched_stop=None)
            running = options.get("continuous_usage_stats")
            yield chunk | ({"usage": usage(count, written)} if running else {})
        matched = tokens.END if step.finish == "stop" else None
        yield chat_chunk({"role": None, "content": None}, step.finish, matched_stop=matched)
        if options.get("include_usage"):
            yield {"choices": [], "usage": usage(count, written)}
        yield "[DONE]"


class LlamaCpp(StandIn):
    """llama.cpp's server: renders for others, continues by itself, times each token.

    ``flags`` False is an older one, which ignores ``continue_final_message``; ``template`` False
    one without ``/apply-template``; ``prefill`` False one that was started so.
    """

    owner = "llamacpp"

    def __init__(self, *, flags: bool = True, template: bool = True, prefill: bool = True) -> None:
        super().__init__()
        self.flags = flags
        self.template = template
        self.prefill = prefill

    def routes(self) -> dict[str, Any]:
        routes = {
            **super().routes(),
            "GET /props": self.props,
            "POST /tokenize": self.tokenize,
            "POST /detokenize": self.detokenize,
            "POST /v1/completions": self.completions,
            "POST /v1/chat/completions": self.chat,
        }
        return routes | ({"POST /apply-template": self.apply} if self.template else {})

    async def props(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1}

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"tokens": tokens.encode(body["content"]) if "content" in body else []}

    async def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"content": tokens.decode(body.get("tokens", []))}

    async def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": messages_prompt(body, goes_on=self.prefill)}

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        return self._stream(body, body["prompt"], chat=False)

    async def chat(self, body: dict[str, Any]) -> Iterator[Any]:
        roles = [message["role"] for message in body["messages"]]
        flagged = self.flags and bool(body.get("continue_final_message"))
        if flagged and body.get("add_generation_prompt", True):
            raise RefusedError(
                400, "Cannot set both add_generation_prompt and continue_final_message to true."
            )
        if self.prefill and roles[-2:] == ["assistant", "assistant"]:
            raise RefusedError(400, "Cannot have 2 or more assistant messages at the end.")
        prompt = messages_prompt(body, goes_on=flagged or self.prefill)
        return self._stream(body, prompt, chat=True)

    def _stream(self, body: dict[str, Any], prompt: str, *, chat: bool) -> Iterator[Any]:
        steps = generation(prompt, body["max_tokens"])
        count = len(tokens.encode(prompt))
        if chat:
            yield chat_chunk({"role": "assistant", "content": None}, None)
        written = 0
        for step in steps:
            written += 1
            timings = {"timings": {"cache_n": 8, "prompt_n": count - 8, "predicted_n": written}}
            if step.text:
                chunk = (
                    chat_chunk({"content": step.text}, None)
                    if chat
                    else completion_chunk(step.text, None)
                )
                yield chunk | (timings if body.get("timings_per_token") else {})
            if written % 7 == 0:
                yield b":\n\n"
        counts = {"usage": usage(count, written, cached=8)}
        if not chat:
            yield completion_chunk("", step.finish) | counts | timings
        else:
            yield chat_chunk({}, step.finish)
            if (body.get("stream_options") or {}).get("include_usage"):
                yield {"choices": [], **counts, **timings}
        yield "[DONE]"


class LlamaCppPython(StandIn):
    """llama-cpp-python's server: text prompts, no rendering, no usage."""

    owner = "me"

    def routes(self) -> dict[str, Any]:
        return {**super().routes(), "POST /v1/completions": self.completions}

    async def completions(self, body: dict[str, Any]) -> Iterator[Any]:
        if not isinstance(body["prompt"], str):
            raise RefusedError(422, "prompt: Input should be a valid string")
        steps = generation(body["prompt"], body["max_tokens"])
        return self._events(steps)

    def _events(self, steps: Iterator[Step]) -> Iterator[Any]:
        for step in steps:
            yield completion_chunk(step.text, None)
        yield completion_chunk("", step.finish)
        yield "[DONE]"
