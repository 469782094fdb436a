"""Muon for the matrices of a network and AdamW for the rest, as one optimizer.

With AdamW alone, a small network trained from scratch for few steps does not learn to copy from its
prompt.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import torch

__all__ = ["MuonWithAdamW"]

_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step (Jordan and others, 2024): they take all singular values
of a matrix near 1 in few steps, without ever taking one to exactly 1."""
_STEPS: Final = 5


class _Muon(torch.optim.Muon):  # type: ignore[misc]
    """PyTorch's Muon in the precision of the weights, not in bfloat16.

    Each kind of processor adds up products in bfloat16 in an order of its own, and those without
    instructions for them take fourteen times as long.
    """

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step, with Nesterov's momentum and without weight decay."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                momentum = state["momentum_buffer"]
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                step = _orthogonal(matrix.grad.lerp(momentum, group["momentum"]), group["eps"])
                rows, columns = matrix.shape
                matrix.add_(step, alpha=-float(group["lr"]) * math.sqrt(max(1, rows / columns)))


def _orthogonal(matrix: torch.Tensor, eps: float) -> torch.Tensor:
    """Return nearly the orthogonal matrix next to this one: U V' of its U S V'."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=eps)
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


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
        # The fused AdamW takes exact square roots. The others take MKL's, which processors round in
        # different ways.
        self.parts = (
            _Muon(matrices, lr=matrix_rate, momentum=0.95, weight_decay=0.0),
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
