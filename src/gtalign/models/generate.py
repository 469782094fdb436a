"""Completions of a model in process, for evaluation."""

from collections.abc import Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from gtalign.tasks import Message


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[str]:
    """Return one completion of each conversation.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, with a chat template; pads on the left.
        conversations: The conversations to complete, as one batch.
        max_tokens: Longest completion, in tokens; a longer one is cut off.
        temperature: Temperature of the sampling; 0 takes the likeliest token.
        seed: Seed of the sampling; the same batch and seed give the same completions.
    """
    settings = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=temperature > 0,
        temperature=temperature or None,
        top_k=0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    inputs = tokenizer.apply_chat_template(
        [list(c) for c in conversations],
        add_generation_prompt=True,
        padding=True,
        return_tensors="pt",
        return_dict=True,
    ).to(model.device)
    model.eval()
    torch.manual_seed(seed)
    with torch.inference_mode():
        output = model.generate(**inputs, generation_config=settings)
    written = output[:, inputs["input_ids"].shape[1] :]
    texts: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True)
    return texts
