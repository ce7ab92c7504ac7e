"""Batch norms that take their statistics from parts of a batch, so that they do not depend on its size."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SplitNorms:
    """In how many parts the batch norms of a network take the clips of a batch; 1 until it is set."""

    def __init__(self) -> None:
        self.parts = 1

    def split(self, clips: int, per_part: int) -> None:
        """Take a batch in equal parts of ``per_part`` clips, or a few more if it cannot be divided so; 0: as a whole.

        >>> norms = SplitNorms()
        >>> norms.split(24, 8), norms.parts, norms.split(20, 8), norms.parts
        (None, 3, None, 2)
        """
        most = max(1, clips // per_part) if per_part else 1
        self.parts = next(parts for parts in range(most, 0, -1) if clips % parts == 0)


@contextmanager
def split_norms(network: nn.Module, *, enabled: bool = True) -> Iterator[SplitNorms]:
    """Let the batch norms of a network normalise each part of a batch by itself in training (Wu et al., CVPR 2020).

    Their running statistics stay those of whole batches. Buffers, parameters and their names are left alone; behind
    the context, norms are as they were.
    """
    norms = SplitNorms()
    changed = [module for module in network.modules() if enabled and isinstance(module, _BatchNorm)]
    for module in changed:
        module.forward = partial(_forward, module, norms)  # type: ignore[method-assign]
    try:
        yield norms
    finally:
        for module in changed:
            del module.forward


def _forward(module: _BatchNorm, norms: SplitNorms, maps: Tensor) -> Tensor:
    if not module.training or norms.parts == 1 or len(maps) % norms.parts:
        whole: Tensor = type(module).forward(module, maps)
        return whole
    found, means, variances = [], [], []
    for part in maps.chunk(norms.parts):
        mean, variance = torch.zeros(maps.shape[1], device=maps.device), torch.ones(maps.shape[1], device=maps.device)
        # a momentum of 1 has the kernel leave the part's own statistics in the two
        found.append(F.batch_norm(part, mean, variance, module.weight, module.bias, True, 1.0, module.eps))
        means.append(mean)
        variances.append(variance)
    if module.track_running_stats:
        _track(module, torch.stack(means), torch.stack(variances), part.numel() // part.shape[1])
    return torch.cat(found)


@torch.no_grad()
def _track(module: _BatchNorm, means: Tensor, variances: Tensor, count: int) -> None:
    """Update running statistics by those of a whole batch, given its parts' [P, C], of ``count`` values each."""
    assert module.num_batches_tracked is not None
    assert module.running_mean is not None
    assert module.running_var is not None
    module.num_batches_tracked.add_(1)
    total = len(means) * count
    mean = means.mean(dim=0)
    spread = (count - 1) * variances.sum(dim=0) + count * (means - mean).square().sum(dim=0)
    momentum = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
    module.running_mean.lerp_(mean.to(module.running_mean.dtype), momentum)
    module.running_var.lerp_((spread / (total - 1)).to(module.running_var.dtype), momentum)
