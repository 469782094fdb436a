"""The tokens of one sample under way: what the model wrote, and what it was given in between."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput

_VERSIONS = (("min_global_steps", min), ("max_global_steps", max))


class Course:
    """One sequence of tokens that grows by what verl's server writes and by what it is given.

    Each later answer continues exactly the tokens before it, so that nothing is rendered twice.
    What was given has the mask 0 and is not trained on.

    Args:
        loop: The agent loop; it has the server, the tokenizer and verl's way of joining tokens.
        sampling: How tokens are drawn.

    Attributes:
        ids: All tokens, those of the prompt first.
    """

    def __init__(self, loop: Any, sampling: Mapping[str, Any]) -> None:
        self.ids: list[int] = []
        self._loop = loop
        self._sampling = sampling
        self._mask: list[int] = []
        self._logprobs: list[float] | None = [] if sampling.get("logprobs") else None
        self._messages: list[dict[str, Any]] = []
        self._request = uuid4().hex
        self._seconds = 0.0
        self._extra: dict[str, Any] = {}

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self._loop.tokenizer

    @property
    def written(self) -> int:
        """Number of tokens after the prompt."""
        return len(self._mask)

    @property
    def room(self) -> int:
        """Number of tokens for which there is room."""
        return int(self._loop.rollout_config.response_length) - self.written

    async def begin(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Take the prompt."""
        self._messages = [dict(message) for message in messages]
        self.ids = await self._loop.ct_build_initial_tokens(self._messages)

    async def write(self, most: int) -> list[int]:
        """Let the model go on, and return the tokens that it wrote.

        Args:
            most: Most tokens.
        """
        began = perf_counter()
        output = await self._loop.server_manager.generate(
            request_id=self._request,
            prompt_ids=list(self.ids),
            sampling_params={**self._sampling, "max_tokens": min(most, self.room)},
        )
        self._seconds += perf_counter() - began
        self._remember(output.extra_fields)
        if not output.log_probs:
            self._logprobs = None
        merged, self._mask, self._logprobs = await self._loop.ct_merge_assistant_token(
            self.ids,
            output.token_ids,
            self._mask,
            self._logprobs,
            assistant_logprobs=None if self._logprobs is None else output.log_probs,
        )
        self.ids = merged.token_ids
        return list(output.token_ids)

    async def hear(self, answer: str, reply: str) -> None:
        """Take what a user says after an answer, and what the chat template puts around it.

        Args:
            answer: The answer.
            reply: What the user says.
        """
        end = self._loop.tokenizer.eos_token_id
        if self.ids[-1] != end:  # an answer that was cut off
            self.give([end])
        before = [*self._messages, {"role": "assistant", "content": answer}]
        self._messages = [*before, {"role": "user", "content": reply}]
        merged, self._mask, self._logprobs = await self._loop.ct_merge_context_msg(
            before, self._messages, self.ids, self._mask, self._logprobs
        )
        self.ids = merged.token_ids

    def give(self, ids: Sequence[int]) -> None:
        """Take tokens that the model did not write."""
        self.ids += ids
        self._mask += [0] * len(ids)
        if self._logprobs is not None:
            self._logprobs += [0.0] * len(ids)

    def output(self, turns: int, **extra: Any) -> AgentLoopOutput:
        """Return the sample as verl takes it.

        Args:
            turns: Number of messages, those of users included.
            **extra: Further fields of `AgentLoopOutput`; of ``extra_fields``, all keys.
        """
        most, start = int(self._loop.rollout_config.response_length), len(self.ids) - self.written
        logprobs = self._logprobs
        fields = {**self._extra, "turn_scores": [], "tool_rewards": [], **extra.pop("fields", {})}
        return AgentLoopOutput(
            prompt_ids=self.ids[:start],
            response_ids=self.ids[start:][:most],
            response_mask=self._mask[:most],
            response_logprobs=None if logprobs is None else logprobs[:most],
            num_turns=turns,
            metrics=AgentLoopMetrics(generate_sequences=self._seconds),
            extra_fields=fields,
            **extra,
        )

    def _remember(self, fields: Mapping[str, Any]) -> None:
        """Keep what the server says; of several answers, the first and the last weights."""
        for name, value in fields.items():
            chosen = dict(_VERSIONS).get(name)
            before = self._extra.get(name)
            known = chosen is not None and before is not None and value is not None
            self._extra[name] = chosen(before, value) if known and chosen is not None else value
