"""The optimiser: Muon for the matrices within the layers, AdamW for all other parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_STEPS = 5
"""Coefficients and number of steps of the Newton-Schulz iteration, as in torch."""


class Muon(torch.optim.Optimizer):
    """Muon: momentum orthogonalised by Newton-Schulz iteration (Jordan et al. 2024), scaled as AdamW (Liu et al. 2025).

    The update equals that of `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`. There are two differences.
    First, the type of the iteration can be chosen: torch always iterates in bfloat16, which takes 12 times as long as
    float32 on a CPU without bfloat16 instructions. Second, the processes of a run share the updates, while in torch
    every process computes all of them.
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Create the optimiser.

        Args:
            matrices: 2D parameters.
            lr: Learning rate, on the scale of AdamW.
            weight_decay: Decoupled weight decay.
            dtype: Type of the iteration; bfloat16 is precise enough.
        """
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            updates = _share_updates(
                [partial(self._update, matrix, group["momentum"]) for matrix in matrices], matrices
            )
            for matrix, update in zip(matrices, updates, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-0.2 * max(matrix.shape) ** 0.5 * group["lr"])

    def _update(self, matrix: torch.nn.Parameter, beta: float, *, mine: bool) -> torch.Tensor:
        """Update the momentum; return the orthogonal update, or zeros when another process computes it."""
        momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
        momentum.lerp_(matrix.grad, 1 - beta)
        if not mine:
            return torch.zeros_like(matrix)
        return _orthogonal(matrix.grad.lerp(momentum, beta).to(self._dtype)).to(matrix.dtype)


def _share_updates(jobs: Sequence[Callable[..., torch.Tensor]], like: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Compute the updates, each in one of the processes of a run, and return all of them in every process."""
    if not dist.is_initialized() or not jobs:
        return [job(mine=True) for job in jobs]
    rank, world = dist.get_rank(), dist.get_world_size()
    flat = torch.cat([job(mine=index % world == rank).flatten() for index, job in enumerate(jobs)])
    dist.all_reduce(flat)
    return [part.view_as(matrix) for part, matrix in zip(flat.split([m.numel() for m in like]), like, strict=True)]


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return the matrix with all singular values near 1."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    a, b, c = _NEWTON_SCHULZ
    for _ in range(_STEPS):
        gram = wide @ wide.T
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        wide = torch.addmm(wide, polynomial, wide, beta=a)
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the hidden matrices and AdamW for all other parameters, behind the interface of one optimiser."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        others: Iterable[torch.nn.Parameter],
        *,
        muon_rate: float,
        adam_rate: float,
        weight_decay: float,
        dtype: torch.dtype,
    ) -> None:
        """Create the optimiser.

        Args:
            matrices: 2D weights of linear layers within the network.
            others: All other parameters.
            muon_rate: Learning rate of Muon.
            adam_rate: Learning rate of AdamW.
            weight_decay: Weight decay of the matrices.
            dtype: Type of the iteration of Muon.
        """
        self._parts: list[torch.optim.Optimizer] = []
        matrices, others = list(matrices), list(others)
        if matrices:
            self._parts.append(Muon(matrices, lr=muon_rate, weight_decay=weight_decay, dtype=dtype))
        if others:
            self._parts.append(torch.optim.AdamW(others, lr=adam_rate, weight_decay=0.0, betas=(0.9, 0.98)))
        groups = [group for part in self._parts for group in part.param_groups]
        super().__init__(groups, {})  # keeps references to the groups, so that a scheduler changes the rates of both

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step with both optimisers; a closure is not supported."""
        assert closure is None
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both optimisers."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of both optimisers."""
        for part, state, index in zip(self._parts, state_dict["parts"], range(len(self._parts)), strict=True):
            part.load_state_dict(state)
            self.param_groups[index] = part.param_groups[0]


def make_optimizer(
    model: torch.nn.Module,
    *,
    muon_rate: float,
    adam_rate: float,
    weight_decay: float,
    dtype: torch.dtype = torch.float32,
) -> MuonWithAdamW:
    """Create the optimiser of a model: Muon for linear weights within the layers, AdamW for other parameters.

    Args:
        model: The model.
        muon_rate: Learning rate of Muon.
        adam_rate: Learning rate of AdamW.
        weight_decay: Weight decay of the matrices.
        dtype: Type of the iteration of Muon.

    Returns:
        The optimiser.
    """
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    outside = ("embed", "lm_head", "head.", "merger")
    matrices = [p for name, p in trainable if p.ndim == 2 and not any(part in name for part in outside)]
    chosen = set(map(id, matrices))
    others = [p for _, p in trainable if id(p) not in chosen]
    return MuonWithAdamW(
        matrices, others, muon_rate=muon_rate, adam_rate=adam_rate, weight_decay=weight_decay, dtype=dtype
    )
