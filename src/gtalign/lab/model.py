"""A small Qwen2-style network from scratch, saved as an ordinary checkpoint directory."""

import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

__all__ = ["make_model"]


def make_model(
    tokenizer: PreTrainedTokenizerFast, *, seed: int, width: int, layers: int, positions: int
) -> Qwen2ForCausalLM:
    """Make an untrained network.

    Args:
        tokenizer: Fixes the vocabulary and the end-of-turn token.
        seed: Seed of the initial weights.
        width: Size of the residual stream; heads are 32 wide.
        layers: Number of blocks.
        positions: Longest sequence, in tokens.
    """
    torch.manual_seed(seed)
    heads = max(2, width // 32)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=positions,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)
