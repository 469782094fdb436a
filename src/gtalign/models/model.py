"""A model in this process with the way in which it is asked: one place for how it samples."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import GenerationConfig, LogitsProcessor, PreTrainedModel

from gtalign.chain.reasoning import left_open
from gtalign.models.chat import Chat, open_chat
from gtalign.models.pretrained import load_model
from gtalign.models.template import DAY
from gtalign.tasks import Message

__all__ = ["LocalModel", "open_model"]

log = logging.getLogger(__name__)

# What else a generation configuration holds, beside the ways of sampling.
_NO_SAMPLING: Final = frozenset(
    {"bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "do_sample"}
    | {"transformers_version", "_from_model_config", "max_length", "max_new_tokens", "use_cache"}
)


class LocalModel:
    """A causal language model with the way in which it is asked.

    The generation configuration of its checkpoint is replaced: only the ends of a turn stay, joined
    with those of the tokenizer and the template. Checkpoints recommend a temperature, ``top_p`` or
    penalties there, which transformers would mix into what is asked for.

    Args:
        network: The model. Its ``generation_config`` is changed, as said.
        chat: How conversations are written for it.

    Attributes:
        ends: Tokens that end a turn.
        ignored: The checkpoint's own ways of sampling, which are not used.
    """

    def __init__(self, network: PreTrainedModel, chat: Chat) -> None:
        self.network = network
        self.chat = chat
        if chat.tokenizer.pad_token_id >= network.get_input_embeddings().weight.shape[0]:
            # Some tokenizers add a token for padding that the network has no weights for.
            chat.tokenizer.pad_token = chat.tokenizer.eos_token
        stated = network.generation_config
        own = stated.eos_token_id
        self.ends = chat.ends | ({own} if isinstance(own, int) else set(own or ()))
        self.ignored: Mapping[str, Any] = {
            name: value
            for name, value in stated.to_diff_dict().items()
            if name not in _NO_SAMPLING and value is not None and value is not False
        }
        ends = sorted(self.ends)
        network.generation_config = GenerationConfig(
            bos_token_id=stated.bos_token_id,
            eos_token_id=ends if len(ends) > 1 else ends[0],
            pad_token_id=chat.tokenizer.pad_token_id,
        )

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        grammar: str | None = None,
    ) -> list[str]:
        """Return one completion of each conversation.

        Where the template opens reasoning at the end of its prompt, the completion begins with that
        tag.

        Args:
            conversations: The conversations to complete, as one batch.
            max_tokens: Longest completion, in tokens; a longer one is cut off.
            temperature: Temperature of the sampling; 0 takes the likeliest token.
            seed: Seed of the sampling; the same batch and seed give the same completions.
            grammar: As for `sample`.

        Raises:
            TrainingError: The chat template refuses a conversation.
        """
        prompts = [self.chat.prompt(messages) for messages in conversations]
        torch.manual_seed(seed)
        answers = self.sample(
            [self.chat.tokens(prompt) for prompt in prompts],
            max_tokens=max_tokens,
            temperature=temperature,
            grammar=grammar,
        )
        return [
            left_open(prompt) + self.chat.text(self._turn(row))
            for prompt, row in zip(prompts, answers, strict=True)
        ]

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        temperature: float,
        grammar: str | None = None,
    ) -> list[list[int]]:
        """Continue each row of tokens, as one batch, and return what is written.

        A row ends with a token that ends a turn, unless it was cut off. Draws use torch's own
        random state.

        Args:
            prompts: Tokens to continue.
            max_tokens: Longest continuation, in tokens.
            temperature: Temperature of the sampling; 0 takes the likeliest token.
            grammar: What each continuation has to be, in XGrammar's EBNF
                (`gtalign.chain.grammar.ebnf`); by default anything.
        """
        settings = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=temperature > 0,
            temperature=temperature or None,
            top_k=0 if temperature > 0 else None,
        )
        ids, mask = self.padded(prompts)
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                output = self.network.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    generation_config=settings,
                    logits_processor=None if grammar is None else [self._held(grammar)],
                )
        finally:
            self.network.train(training)
        return [self._ended(row) for row in output[:, ids.shape[1] :].tolist()]

    def _held(self, grammar: str) -> LogitsProcessor:
        from gtalign.models.constrained import Held

        vocabulary = self.network.get_output_embeddings().weight.shape[0]
        return Held(grammar, self.chat.tokenizer, vocabulary, self.ends)

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows of tokens as one batch, padded on the left, and which of it is text.

        Both are integers of shape ``[rows, longest row]``, on the device of the network.
        """
        length, pad = max(map(len, rows)), self.chat.tokenizer.pad_token_id
        ids = [[pad] * (length - len(row)) + list(row) for row in rows]
        mask = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
        device = self.network.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _ended(self, ids: list[int]) -> list[int]:
        """Return the tokens up to the end of the turn; padding follows it."""
        return ids[: next((n + 1 for n, token in enumerate(ids) if token in self.ends), len(ids))]

    def _turn(self, ids: list[int]) -> list[int]:
        """Return the tokens before the end of the turn; padding follows it."""
        return ids[: next((n for n, token in enumerate(ids) if token in self.ends), len(ids))]

    def facts(self) -> dict[str, Any]:
        """Return how the model is asked, for records and for people."""
        tokenizer, form = self.chat.tokenizer, self.chat.form
        ends = {tokenizer.convert_ids_to_tokens(end): end for end in sorted(self.ends)}
        return {
            "model": self.chat.name,
            "weights": self.network.num_parameters(),
            "prompt": form.prompt,
            "added_before_answers": form.before,
            "ends": ends,
            "padding": {tokenizer.pad_token: tokenizer.pad_token_id},
            "ignored_sampling": dict(self.ignored),
            "date": DAY.isoformat() if form.dated else None,
            "untrainable": self.chat.refusal(),
        }


def open_model(
    name: str | Path,
    *,
    chat: Chat | None = None,
    dtype: str = "float32",
    gpu: bool = False,
    **options: Any,
) -> LocalModel:
    """Load a model with its tokenizer, and log how it is asked.

    Args:
        name: A name of a model; see `gtalign.models.place`.
        chat: How conversations are written for it, if its tokenizer is open already.
        dtype: Type of its weights, such as ``bfloat16``; ``auto`` keeps that of the checkpoint.
        gpu: Whether it goes onto the GPU.
        options: Of ``from_pretrained``.

    Raises:
        ConfigError: There is no such model, or no conversation can be written for it.
    """
    chat = chat or open_chat(name, **options)
    model = LocalModel(load_model(name, dtype=dtype, **options), chat)
    if gpu:
        model.network.to("cuda")
    for line in described(model.facts()):
        log.info("%s", line)
    return model


def described(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts of a model as lines of text."""
    ends = ", ".join(f"{token} ({number})" for token, number in facts["ends"].items())
    [padding] = facts["padding"]
    lines = [
        f"{facts['model']}: {facts['weights']:,} weights; a question is asked as"
        f" {json.dumps(facts['prompt'], ensure_ascii=False)}",
        f"a turn ends with {ends}; batches are padded with {padding} on the left",
    ]
    if facts["added_before_answers"]:
        added = json.dumps(facts["added_before_answers"], ensure_ascii=False)
        lines.append(
            f"the chat template writes {added} before an answer: it is part of every prompt, in"
            " training and afterwards"
        )
    if facts["ignored_sampling"]:
        own = ", ".join(f"{key} {value}" for key, value in facts["ignored_sampling"].items())
        lines.append(f"the checkpoint's own way of sampling is not used: {own}")
    if facts["date"]:
        lines.append(f"the chat template writes today's date: it is always {facts['date']}")
    if facts["untrainable"]:
        lines.append(f"it cannot be trained: {facts['untrainable']}")
    return lines
