"""Completions of a model in process, for evaluation."""

from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from gtalign.tasks import Message


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    max_tokens: int,
    batch: int,
) -> Iterator[list[str]]:
    """Yield the greedy completions of one batch of conversations after the other.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, with a chat template; pads on the left.
        conversations: What to complete.
        max_tokens: Longest completion, in tokens; a longer one is cut off.
        batch: Conversations that are completed at once.
    """
    settings = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.eval()
    for start in range(0, len(conversations), batch):
        inputs = tokenizer.apply_chat_template(
            [list(c) for c in conversations[start : start + batch]],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        ).to(model.device)
        with torch.inference_mode():
            output = model.generate(**inputs, generation_config=settings)
        written = output[:, inputs["input_ids"].shape[1] :]
        yield tokenizer.batch_decode(written, skip_special_tokens=True)
