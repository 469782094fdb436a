"""Muon for the matrices of a network and AdamW for the rest, as one optimizer.

With AdamW alone, a small network trained from scratch for few steps does not learn to copy from its
prompt.
"""

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["MuonWithAdamW"]


class MuonWithAdamW(torch.optim.Optimizer):  # type: ignore[misc]
    """Two optimizers under one roof, so that one schedule and one checkpoint serve both.

    Args:
        model: Its matrices, embeddings excepted, learn by Muon; all else by AdamW.
        matrix_rate: Learning rate of Muon (Jordan and others, 2024).
        rate: Learning rate of AdamW.
    """

    def __init__(self, model: torch.nn.Module, matrix_rate: float, rate: float) -> None:
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            is_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            (matrices if is_matrix else others).append(parameter)
        super().__init__([*matrices, *others], {"lr": rate})
        # Only the fused AdamW takes exact square roots. The others take MKL's, which processors
        # round in different ways.
        self.parts = (
            torch.optim.Muon(matrices, lr=matrix_rate, momentum=0.95, weight_decay=0.0),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        )
        self._join()

    def _join(self) -> None:
        # A schedule changes the learning rates in these groups: they are those of the parts.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step of each part."""
        for part in self.parts:
            part.step(closure)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both parts."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._join()
