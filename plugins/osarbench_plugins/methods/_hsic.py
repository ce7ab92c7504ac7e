"""The Hilbert-Schmidt independence criterion of two sets of features, with Gaussian kernels of variance D."""

import torch
from torch import Tensor


def hsic(first: Tensor, second: Tensor) -> Tensor:
    """Return the biased Hilbert-Schmidt independence criterion tr(K H L H) / (N - 1)^2 of [N, D] and [N, E], a scalar.

    Kernels are Gaussian with variance D (Gretton et al., 2005; DEAR). Fewer than 4 samples give 0, as in DEAR.
    """
    count = len(first)
    if count < 4:
        return first.new_zeros(())
    kernel, other = _kernel(first), _kernel(second)
    product = (kernel - kernel.mean(dim=0)) * (other - other.mean(dim=0)).T
    return product.sum() / (count - 1) ** 2


def hsic_unbiased(first: Tensor, second: Tensor, *, normalised: bool = True) -> Tensor:
    """Return the unbiased estimate of the same criterion (Song et al., JMLR 2012, eq. 5), a scalar.

    ``normalised=False`` leaves out the factor 1 / (N (N - 3)), as DEAR's alternating mode does.
    """
    count = len(first)
    if count < 4:
        return first.new_zeros(())
    off_diagonal = 1 - torch.eye(count, device=first.device)
    kernel, other = _kernel(first) * off_diagonal, _kernel(second) * off_diagonal
    rows, other_rows = kernel.sum(dim=0), other.sum(dim=0)
    total = (kernel * other).sum() + rows.sum() * other_rows.sum() / ((count - 1) * (count - 2))
    total = total - 2 / (count - 2) * (rows * other_rows).sum()  # no matrix product: autocast would round it
    return total / (count * (count - 3)) if normalised else total


def _kernel(values: Tensor) -> Tensor:
    """Return the Gaussian kernel matrix [N, N] of [N, D], exp(-||a - b||^2 / 2D)."""
    distances = (values[:, None] - values[None]).square().sum(dim=2)
    return (-distances / (2 * values.shape[1])).exp()
