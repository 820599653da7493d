"""The optimiser: Muon for the matrices within the layers, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz iteration (Jordan et al. 2024), at the scale of AdamW (Liu et al. 2025).

    torch.optim.Muon always iterates in bfloat16, which many CPUs only emulate, 17 times slower.
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
            lr: Learning rate, of the size that AdamW would take.
            weight_decay: Decoupled weight decay.
            dtype: Of the iteration; bfloat16 is enough for it.
        """
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            updates = _shared([partial(self._update, matrix, group["momentum"]) for matrix in matrices], matrices)
            for matrix, update in zip(matrices, updates, strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-0.2 * max(matrix.shape) ** 0.5 * group["lr"])

    def _update(self, matrix: torch.nn.Parameter, inertia: float, *, mine: bool) -> torch.Tensor:
        """Take up the gradient into the momentum; give the orthogonal update, or zeros where another process does."""
        momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
        momentum.lerp_(matrix.grad, 1 - inertia)
        if not mine:
            return torch.zeros_like(matrix)
        return _orthogonal(matrix.grad.lerp(momentum, inertia).to(self._dtype)).to(matrix.dtype)


def _shared(jobs: Sequence[Callable[..., torch.Tensor]], like: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Share the updates out over the processes of a run, each of which needs all of them."""
    if not dist.is_initialized() or not jobs:
        return [job(mine=True) for job in jobs]
    rank, world = dist.get_rank(), dist.get_world_size()
    flat = torch.cat([job(mine=index % world == rank).flatten() for index, job in enumerate(jobs)])
    dist.all_reduce(flat)
    return [part.view_as(matrix) for part, matrix in zip(flat.split([m.numel() for m in like]), like, strict=True)]


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Bring all singular values near 1."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    a, b, c = _NEWTON_SCHULZ
    for _ in range(_STEPS):
        gram = wide @ wide.T
        wide = a * wide + torch.addmm(gram, gram, gram, beta=b, alpha=c) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the hidden matrices, AdamW for the rest, as one optimiser to step, schedule and save."""

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
            weight_decay: Of the matrices.
            dtype: Of Muon's iteration.
        """
        self._parts: list[torch.optim.Optimizer] = []
        matrices, others = list(matrices), list(others)
        if matrices:
            self._parts.append(Muon(matrices, lr=muon_rate, weight_decay=weight_decay, dtype=dtype))
        if others:
            self._parts.append(torch.optim.AdamW(others, lr=adam_rate, weight_decay=0.0, betas=(0.9, 0.98)))
        groups = [group for part in self._parts for group in part.param_groups]
        super().__init__(groups, {})  # which keeps the groups themselves, so that both see a change of the rate

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step with both; a closure is not supported."""
        assert closure is None
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Give the state of both."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of both."""
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
    """Sort a model's trainable parameters by what they are.

    Args:
        model: The model.
        muon_rate: Learning rate of Muon.
        adam_rate: Learning rate of AdamW.
        weight_decay: Of the matrices.
        dtype: Of Muon's iteration.

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
