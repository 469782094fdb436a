"""Models in this process: opened, prompted, padded, stopped and sampled in one place.

`gtalign.models.model.open_model` opens a model: its weights together with their
`gtalign.models.chat.Chat`, which writes conversations for them. Training, evaluation and steering
ask a model through these two and in no other way. Only those two modules load torch.
"""

from gtalign.models.names import Place, place
from gtalign.models.pretrained import load_model, load_tokenizer
from gtalign.models.tokens import count_words, token_counter

__all__ = ["Place", "count_words", "load_model", "load_tokenizer", "place", "token_counter"]
