"""Stages for the tests of the schedule, in a module that a worker imports at once."""

import hashlib
import multiprocessing
import os
import threading
from pathlib import Path

from gtalign.errors import StorageError


def note(folder: Path, stage: str) -> None:
    """Do a stage: write down when it began and ended, and who else was at work then."""
    with (folder / "order.txt").open("a") as file:
        file.write(f"+{stage}\n")
        file.flush()
        if stage == "fails":
            raise StorageError(28, "No space left", "there")
        file.write(f"-{stage}\n")
    (folder / f"{stage}.threads").write_text(os.environ["OMP_NUM_THREADS"])


def add_up(folder: Path, stage: str) -> None:
    """Do a stage that computes what a network computes, and writes a hash of all its bits."""
    import torch
    from torch.nn import functional as F

    x = torch.sin(torch.arange(64 * 48, dtype=torch.float64)).float().reshape(2, 32, 48)
    weights = torch.cos(torch.arange(48 * 96, dtype=torch.float64)).float().reshape(96, 48)
    weights.requires_grad_()
    hidden = F.gelu(F.layer_norm(x, (48,)) @ weights.T)
    heads = hidden.reshape(2, 32, 4, 24).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
    loss = -F.log_softmax(mixed, -1)[..., 0].mean()
    loss.backward()
    assert weights.grad is not None
    digest = hashlib.sha256(mixed.detach().numpy().tobytes() + weights.grad.numpy().tobytes())
    (folder / stage).write_text(f"{torch.__version__} {digest.hexdigest()}")


def meet(folder: Path, stage: str) -> None:
    """Do a stage that ends only when another one has begun."""
    for name in ("left", "right"):
        fifo = folder / name
        with fifo.open("w" if name == stage else "r") as file:
            if name == stage:
                file.write("here")
            else:
                assert file.read() == "here"


def hang(folder: Path, stage: str) -> None:
    """Do a stage that tells who does it and never ends; it has made a lock, as tqdm does."""
    lock = multiprocessing.RLock()
    if stage == "fails":
        with (folder / "began").open() as file:
            file.read()
        raise ValueError("no")
    with (folder / "began").open("w") as file:
        file.write(str(os.getpid()))
    with lock:
        threading.Event().wait()
