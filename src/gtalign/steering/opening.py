"""Open a backend: the model of a checkpoint in this process, or a model behind a server.

Only `open_backend` loads torch or an HTTP client, and only the one that it needs.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gtalign.errors import ConfigError, SteeringError, TrainingError
from gtalign.steering.backend import Backend
from gtalign.tasks import Message

if TYPE_CHECKING:
    from gtalign.steering.http.exchange import Timeouts

SMALL: Final = 10_000_000
"""Parameters below which a second thread makes a network slower."""


@dataclass(frozen=True, slots=True)
class OpenedBackend:
    """A backend with its model and its kind of engine.

    Args:
        backend: The backend; the caller of `open_backend` closes it.
        model: Name of the model: the server's, or that of the checkpoint's folder.
        engine: Kind of engine, such as ``vllm`` or ``transformers``.
    """

    backend: Backend
    model: str
    engine: str


async def open_backend(
    address: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    tokenizer: str | Path | None = None,
    timeouts: "Timeouts | None" = None,
    fallback_reask: bool = False,
    batch: int | None = None,
    gpu: bool = False,
) -> OpenedBackend:
    """Load a checkpoint, or connect to a model server and find out how it continues messages.

    A network of fewer than `SMALL` parameters runs on one thread, unless OMP_NUM_THREADS says
    otherwise: sharing so little work among threads takes longer than the work.

    Args:
        address: A checkpoint folder, ``gguf:FILE``, ``package:NAME`` (see `gtalign.models.place`),
            or a server such as ``http://127.0.0.1:8000/v1``.
        model: Name of the server's model; None takes the first that it lists.
        api_key: The server's key; None takes GTALIGN_UPSTREAM_KEY from the environment, if it is
            set.
        tokenizer: Folder of a tokenizer whose chat template renders conversations, for a server
            that continues plain text only.
        timeouts: How long to wait for the server.
        fallback_reask: Whether to accept a server that cannot continue an edited text.
        batch: Most messages that a model in this process continues at once, in a
            `gtalign.steering.batched.BatchedBackend`; None writes one at a time, in small slices.
        gpu: Whether a model in this process goes onto the GPU.

    Raises:
        ConfigError: The address is neither, or there is no complete checkpoint.
        UpstreamError: The server cannot be reached, or lists no model.
        SteeringError: The server cannot continue an edited text, and `fallback_reask` is false.
    """
    from gtalign.models.names import is_url, place

    if is_url(address):
        from gtalign.steering.http import connect

        render = None
        if tokenizer is not None:
            render = _renderer(tokenizer)
        server = await connect(
            address,
            model=model,
            api_key=api_key,
            render=render,
            timeouts=timeouts,
            fallback_reask=fallback_reask,
        )
        return OpenedBackend(server, server.model, server.engine.name.lower())
    check_address(address)
    return OpenedBackend(
        _load_checkpoint(address, batch, gpu), place(address).label, "transformers"
    )


def check_address(address: str) -> None:
    """Refuse what `open_backend` cannot open, before anything is loaded; servers are not asked.

    Raises:
        ConfigError: It is no address of a server, and there is no checkpoint.
    """
    from gtalign.models.names import is_gguf, is_url, place

    if is_url(address):
        return
    if is_gguf(address):
        place(address)
    elif not (Path(address) / "config.json").is_file():
        raise ConfigError(
            f"{address}: no checkpoint (a folder with a config.json), no gguf:FILE or package:NAME,"
            " and no address that begins with http:// or https://"
        )


def _renderer(tokenizer: str | Path) -> Callable[[Sequence[Message]], str]:
    from gtalign.models.chat import open_chat

    chat = open_chat(tokenizer, local_files_only=True)

    def render(messages: Sequence[Message]) -> str:
        try:
            return chat.prompt(messages)
        except TrainingError as error:
            raise SteeringError(str(error)) from error

    return render


def _load_checkpoint(name: str, batch: int | None, gpu: bool) -> Backend:
    import torch
    from transformers.utils import logging

    from gtalign.models.model import open_model
    from gtalign.steering.batched import BatchedBackend
    from gtalign.steering.local import TransformersBackend

    logging.disable_progress_bar()
    model = open_model(name, dtype="auto", gpu=gpu, local_files_only=True)
    if model.network.num_parameters() < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return TransformersBackend(model) if batch is None else BatchedBackend(model, width=batch)
