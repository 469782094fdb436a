"""Sampling that is held to a grammar, by XGrammar: tokens that it forbids are not drawn."""

from typing import Any

import torch
import xgrammar
from transformers import LogitsProcessor


class Held(LogitsProcessor):  # type: ignore[misc]
    """Forbids the tokens that would leave a grammar; for one batch.

    Args:
        grammar: In XGrammar's EBNF; see `gtalign.chain.grammar.ebnf`.
        tokenizer: The tokenizer of the model.
        vocabulary: Number of the model's logits.
        ends: Tokens that end a turn.
    """

    def __init__(self, grammar: str, tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> None:
        info = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(ends)
        )
        self._compiled = xgrammar.GrammarCompiler(info).compile_grammar(grammar)
        self._rows: list[xgrammar.GrammarMatcher] = []
        self._vocabulary = vocabulary

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Take in the tokens that were drawn last, and forbid what may not follow them."""
        if self._rows:
            for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
                if not row.is_terminated():
                    row.accept_token(token)
        else:
            self._rows = [xgrammar.GrammarMatcher(self._compiled) for _ in scores]
        mask = xgrammar.allocate_token_bitmask(len(scores), self._vocabulary)
        for number, row in enumerate(self._rows):
            if not row.is_terminated():
                row.fill_next_token_bitmask(mask, number)
        xgrammar.apply_token_bitmask_inplace(scores, mask.to(scores.device))
        return scores
