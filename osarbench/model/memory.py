"""Fitting a network into memory: blocks that are run again instead of kept, and a batch halved until it fits."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from osarbench.errors import OsarbenchError


def recompute_blocks(network: nn.Module) -> int:
    """Keep only the inputs of a network's blocks for the backward pass, and run the blocks again there.

    A block is a child of the outermost ``Sequential`` or ``ModuleList`` that holds more than one layer itself.
    Activations then cost about the square root of their memory, training about a third more time; loss and gradients
    stay the same (Chen et al., 2016, arXiv:1604.06174), and so do running statistics, which are not
    updated the second time.

    Returns:
        How many blocks there are.
    """
    blocks = list(_blocks(network))
    for block in blocks:
        block.forward = _recomputed(block, block.forward)
    return len(blocks)


def fitting(batch: int, attempt: Callable[[int], Any]) -> int:
    """Return the largest of batch, batch / 2, batch / 4 ... with which ``attempt`` does not run out of GPU memory.

    Raises:
        OsarbenchError: not even one clip fits.
    """
    while True:
        try:
            attempt(batch)
        except torch.OutOfMemoryError as error:
            if batch == 1:
                raise OsarbenchError(
                    "Not even one clip fits into the memory of the GPU. Use --recompute, --precision bf16-mixed, or "
                    "a smaller backbone."
                ) from error
            torch.cuda.empty_cache()
            batch //= 2
        else:
            return batch


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            large = [inner for inner in child.children() if len(list(inner.modules())) > 3]
            yield from large
        else:
            yield from _blocks(child)


def _recomputed(block: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _frozen_norm_statistics(block)

    def run(*inputs: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs, **named)
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts, **named)

    return run


@contextmanager
def _frozen_norm_statistics(block: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are while a block is run for the second time."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked
