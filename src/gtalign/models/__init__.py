"""Models in this process: opened, prompted and sampled in one place."""

from gtalign.models.pretrained import load_model, load_tokenizer
from gtalign.models.tokens import token_counter

__all__ = ["load_model", "load_tokenizer", "token_counter"]
