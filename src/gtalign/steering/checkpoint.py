"""A checkpoint folder as a backend, or as what renders conversations for a server of plain text.

Only who calls these waits for torch or transformers.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gtalign.steering.backend import Backend
from gtalign.tasks import Message

SMALL: Final = 10_000_000
"""Parameters below which a second thread makes a network slower."""


def load_checkpoint(folder: Path) -> Backend:
    """Load a model into this process.

    A network of fewer than `SMALL` parameters runs on one thread, unless OMP_NUM_THREADS says
    otherwise: to share its work among more takes longer than the work.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from gtalign.steering.local import TransformersBackend

    logging.disable_progress_bar()
    network = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    if network.num_parameters() < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return TransformersBackend(network, tokenizer)


def renderer(folder: Path) -> Callable[[Sequence[Message]], str]:
    """The function that renders a conversation by the chat template of a tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def render(messages: Sequence[Message]) -> str:
        text: str = tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, tokenize=False
        )
        return text

    return render
